//! Line information: which instruction comes from where in the source, where somebody asks for that. Without it, a module has
//! none, and is the same to the byte.
//!
//! A function that computes is a scope; a place in a file is a location in it. Where emission leaves a function for another
//! and comes back, it takes its location along ([`Cx::location`]).

use std::cell::RefCell;

use inkwell::debug_info::{
    AsDIScope, DICompileUnit, DIFile, DIFlags, DIFlagsConstants, DILocation, DIScope, DWARFEmissionKind,
    DWARFSourceLanguage, DebugInfoBuilder, debug_metadata_version,
};
use inkwell::module::FlagBehavior;
use inkwell::values::FunctionValue;

use super::types::Cx;
use crate::codegen::places::Place;

/// What line information of a module is made with.
pub(super) struct Debug<'ctx> {
    builder: DebugInfoBuilder<'ctx>,
    unit: DICompileUnit<'ctx>,
    /// A scope for each file that a function has instructions from.
    scopes: RefCell<Vec<(FunctionValue<'ctx>, String, DIScope<'ctx>)>>,
}

impl<'ctx> Cx<'ctx> {
    /// From here on, places are noted.
    pub(super) fn with_lines(mut self, name: &str) -> Self {
        let version = self.ir.context.i32_type().const_int(debug_metadata_version().into(), false);
        self.module.add_basic_value_flag("Debug Info Version", FlagBehavior::Warning, version);
        let (builder, unit) = self.module.create_debug_info_builder(
            true,
            DWARFSourceLanguage::C,
            name,
            "",
            "ftc",
            true,
            "",
            0,
            "",
            DWARFEmissionKind::LineTablesOnly,
            0,
            false,
            false,
            "",
            "",
        );
        self.debug = Some(Debug { builder, unit, scopes: RefCell::new(Vec::new()) });
        self
    }

    /// Once all functions are there.
    pub(super) fn finish_lines(&self) {
        if let Some(debug) = &self.debug {
            debug.builder.finalize();
        }
    }

    /// What is emitted next in `function` comes from there.
    pub(super) fn mark(&self, function: FunctionValue<'ctx>, place: Option<&Place>) {
        if let (Some(debug), Some(place)) = (&self.debug, place) {
            let scope = debug.scope(function, &place.file, place.line);
            let location = debug.builder.create_debug_location(self.ir.context, place.line, place.column, scope, None);
            self.ir.builder.set_current_debug_location(location);
        }
    }

    /// Where what is emitted now comes from.
    pub(super) fn location(&self) -> Option<DILocation<'ctx>> {
        self.debug.as_ref().and_then(|_| self.ir.builder.get_current_debug_location())
    }

    /// Back to what [`Cx::location`] gave, or nowhere.
    pub(super) fn restore(&self, location: Option<DILocation<'ctx>>) {
        match (&self.debug, location) {
            (None, _) => {}
            (Some(_), Some(location)) => self.ir.builder.set_current_debug_location(location),
            (Some(_), None) => self.ir.builder.unset_current_debug_location(),
        }
    }
}

impl<'ctx> Debug<'ctx> {
    /// A function is a scope of the file that its first place is in; other files have blocks in it.
    fn scope(&self, function: FunctionValue<'ctx>, name: &str, line: u32) -> DIScope<'ctx> {
        let mut scopes = self.scopes.borrow_mut();
        let known = scopes.iter().find(|(other, file, _)| *other == function && file == name);
        if let Some((.., scope)) = known {
            return *scope;
        }
        let file = self.builder.create_file(name, "");
        let scope = match function.get_subprogram() {
            Some(whole) => {
                self.builder.create_lexical_block(whole.as_debug_info_scope(), file, line, 1).as_debug_info_scope()
            }
            None => self.function(function, file, line),
        };
        scopes.push((function, name.to_owned(), scope));
        scope
    }

    fn function(&self, function: FunctionValue<'ctx>, file: DIFile<'ctx>, line: u32) -> DIScope<'ctx> {
        let kind = self.builder.create_subroutine_type(file, None, &[], DIFlags::PUBLIC);
        let name = function.get_name().to_string_lossy().into_owned();
        let unit = self.unit.as_debug_info_scope();
        let flags = DIFlags::PUBLIC;
        let whole = self.builder.create_function(unit, &name, None, file, line, kind, true, true, line, flags, true);
        function.set_subprogram(whole);
        whole.as_debug_info_scope()
    }
}
