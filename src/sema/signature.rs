//! What can be said of a function's signature before any size is known.

use crate::diag::Diagnostic;
use crate::scalar::DType;
use crate::syntax::ast::{Attr, Dim, Function, Ident, Type};

use super::bind::satisfies;
use super::{error, suggest};

/// The bounds that a type parameter may have.
pub(super) const BOUNDS: [&str; 4] = ["float", "int", "number", "any"];
/// The attribute of a variant that is used only where it is asked for by name.
pub(super) const INEXACT: &str = "inexact";

/// Attributes that are not known where they stand.
pub(super) fn unknown_attributes(attrs: &[Attr], known: &[&'static str]) -> Vec<Diagnostic> {
    let unknown = attrs.iter().filter(|attr| !known.contains(&attr.name.name.as_str()));
    let said = |attr: &Attr| {
        let near = suggest::nearest(&attr.name.name, known.iter().copied());
        error::name::unknown_attribute(&attr.name, near)
    };
    unknown.map(said).collect()
}

/// Errors of the signature alone.
pub(super) fn check(function: &Function) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for generic in &function.generics {
        if satisfies(&generic.bound.name, DType::F32).is_none() {
            let near = suggest::nearest(&generic.bound.name, BOUNDS.into_iter());
            found.push(error::types::unknown_bound(&generic.bound, near));
        }
    }
    found.extend(unknown_attributes(&function.attrs, &["workload"]));
    let params = function.params.iter().map(|param| (&param.name, &param.ty));
    let outputs = function.outputs.iter().map(|output| (&output.name, &output.ty));
    let mut names: Vec<&Ident> = function.generics.iter().map(|generic| &generic.name).collect();
    for (name, ty) in params.chain(outputs) {
        match names.iter().find(|known| known.name == name.name) {
            Some(first) => found.push(error::name::defined_twice(name, first.span)),
            None => names.push(name),
        }
        check_type(function, ty, &mut found);
    }
    for output in &function.outputs {
        if output.ty.dims.is_none() {
            found.push(error::types::output_without_extents(&output.name, &output.ty));
        }
    }
    for param in &function.params {
        if let (Some(_), Some(default)) = (&param.ty.dims, &param.default) {
            found.push(error::types::tensor_default(&param.name, default.span));
        }
    }
    if function.outputs.is_empty() {
        found.push(error::name::no_outputs(&function.name));
    }
    found
}

fn check_type(function: &Function, ty: &Type, found: &mut Vec<Diagnostic>) {
    let name = ty.elem.name.as_str();
    let is_generic = function.generics.iter().any(|generic| generic.name.name == name);
    let is_number = matches!(name, "int") && ty.dims.is_none();
    if !is_generic && !is_number && DType::from_name(name).is_none() {
        let generics = function.generics.iter().map(|generic| generic.name.name.as_str());
        let near = suggest::nearest(name, DType::ALL.iter().map(|dtype| dtype.name()).chain(["int"]).chain(generics));
        found.push(error::types::unknown_type(&ty.elem, near));
    }
    let spreads: Vec<_> = ty
        .dims
        .iter()
        .flatten()
        .filter_map(|dim| if let Dim::Spread(name) = dim { Some(name) } else { None })
        .collect();
    if let [_, second, ..] = spreads[..] {
        found.push(error::index::two_spreads(second));
    }
}
