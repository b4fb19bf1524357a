//! Reads the text form of kernels that `print` writes; `//` comments are skipped.
//!
//! Expressions come out well typed. Anything else that a kernel must keep to is for `verify`: so that its tests can be
//! written as text, a name may be used anywhere behind its declaration, even outside its loop or `alloc`.

use std::collections::HashMap;

use super::print::{KINDS, REDUCTIONS, SCOPES};
use super::{Axis, Block, Buffer, BufferKind, For, Kernel, LoopKind, Stmt};
use crate::arena::Arena;
use crate::expr::parse::{Cursor, Parsed, Scope, parse_at, parse_const, parse_list};
use crate::expr::{AxisId, ExprId, Pool, TensorId};
use crate::scalar::DType;

pub use crate::expr::parse::ParseError;

/// Nesting beyond this is an error.
const MAX_DEPTH: usize = 200;

/// Reads one kernel.
pub fn parse(text: &str) -> Result<Kernel, ParseError> {
    let mut parser = Parser { cursor: Cursor::new(text), kernel: empty(), names: KernelScope::default(), depth: 0 };
    parser.kernel()?;
    if parser.cursor.at_end() { Ok(parser.kernel) } else { parser.cursor.expected("the end") }
}

fn empty() -> Kernel {
    Kernel {
        name: String::new(),
        pool: Pool::new(),
        axes: Arena::new(),
        buffers: Arena::new(),
        params: Vec::new(),
        body: Vec::new(),
    }
}

#[derive(Default)]
struct KernelScope {
    axes: HashMap<String, AxisId>,
    buffers: HashMap<String, (TensorId, DType)>,
}

impl Scope for KernelScope {
    fn axis(&self, name: &str) -> Option<AxisId> {
        self.axes.get(name).copied()
    }

    fn tensor(&self, name: &str) -> Option<(TensorId, DType)> {
        self.buffers.get(name).copied()
    }
}

struct Parser<'text> {
    cursor: Cursor<'text>,
    kernel: Kernel,
    names: KernelScope,
    depth: usize,
}

impl Parser<'_> {
    fn kernel(&mut self) -> Parsed<()> {
        self.keyword("kernel")?;
        self.kernel.name = self.cursor.name()?.to_owned();
        self.params(&BufferKind::Input { is_const: false })?;
        self.cursor.expect("->")?;
        self.params(&BufferKind::Output)?;
        self.cursor.expect("{")?;
        while self.cursor.take_word("constant") {
            self.constant()?;
        }
        self.kernel.body = self.block()?;
        Ok(())
    }

    fn keyword(&mut self, word: &str) -> Parsed<()> {
        if self.cursor.take_word(word) { Ok(()) } else { self.cursor.expected(&format!("`{word}`")) }
    }

    fn params(&mut self, kind: &BufferKind) -> Parsed<()> {
        self.cursor.expect("(")?;
        while !self.cursor.take(")") {
            let id = self.buffer(kind.clone())?;
            self.kernel.params.push(id);
            if !self.cursor.take(",") {
                return self.cursor.expect(")");
            }
        }
        Ok(())
    }

    /// `NAME: DTYPE[EXTENTS]`; an input may be `const`.
    fn buffer(&mut self, mut kind: BufferKind) -> Parsed<TensorId> {
        self.cursor.skip_blanks();
        let place = self.cursor.place();
        let name = self.cursor.name()?.to_owned();
        self.cursor.expect(":")?;
        if let BufferKind::Input { is_const } = &mut kind {
            *is_const = self.cursor.take_word("const");
        }
        let Some(dtype) = self.cursor.peek_word().and_then(DType::from_name) else {
            return self.cursor.expected("an element type");
        };
        self.cursor.take_word(dtype.name());
        self.cursor.expect("[")?;
        let mut shape = Vec::new();
        while !self.cursor.take("]") {
            shape.push(self.cursor.integer()?);
            if !self.cursor.take(",") {
                self.cursor.expect("]")?;
                break;
            }
        }
        // A temporary may come into being at several places: peeled loops have the same.
        let same = self.names.buffers.get(&name).map(|&(id, _)| id).filter(|&id| {
            let known = &self.kernel.buffers[id];
            let is_temp = matches!((&known.kind, &kind), (BufferKind::Temp(_), BufferKind::Temp(_)));
            is_temp && known.dtype == dtype && known.shape == shape
        });
        if let Some(id) = same {
            return Ok(id);
        }
        let id = self.kernel.buffers.push(Buffer { name: name.clone(), dtype, shape, kind });
        if self.names.buffers.insert(name.clone(), (id, dtype)).is_some() {
            return Err(self.cursor.error_at(place, format!("there is a buffer `{name}` already")));
        }
        Ok(id)
    }

    fn constant(&mut self) -> Parsed<()> {
        let id = self.buffer(BufferKind::Constant(Vec::new()))?;
        self.cursor.expect("=")?;
        self.cursor.expect("[")?;
        let mut values = Vec::new();
        while !self.cursor.take("]") {
            values.push(parse_const(&mut self.cursor)?);
            if !self.cursor.take(",") {
                self.cursor.expect("]")?;
                break;
            }
        }
        self.kernel.buffers[id].kind = BufferKind::Constant(values);
        Ok(())
    }

    /// Statements up to `}`, which is taken.
    fn block(&mut self) -> Parsed<Block> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.cursor.error("the nesting is too deep"));
        }
        let mut block = Vec::new();
        while !self.cursor.take("}") {
            block.push(self.stmt()?);
        }
        self.depth -= 1;
        Ok(block)
    }

    fn stmt(&mut self) -> Parsed<Stmt> {
        let Some(word) = self.cursor.peek_word() else { return self.assign() };
        match word {
            "if" => self.conditional(),
            "alloc" => self.alloc(),
            "barrier" => {
                self.cursor.take_word(word);
                Ok(Stmt::Barrier)
            }
            "wait" => {
                self.cursor.take_word(word);
                Ok(Stmt::Wait { pending: self.cursor.integer()? })
            }
            "combine" => self.combine(),
            "for" => self.repeat(LoopKind::Serial),
            _ => match KINDS.iter().find(|(_, name)| *name == word) {
                Some(&(kind, _)) => {
                    self.cursor.take_word(word);
                    self.repeat(kind)
                }
                None => self.assign(),
            },
        }
    }

    fn repeat(&mut self, kind: LoopKind) -> Parsed<Stmt> {
        self.keyword("for")?;
        self.cursor.skip_blanks();
        let place = self.cursor.place();
        let name = self.cursor.name()?.to_owned();
        let axis = self.kernel.axes.push(Axis { name: name.clone() });
        if self.names.axes.insert(name.clone(), axis).is_some() {
            return Err(self.cursor.error_at(place, format!("there is an axis `{name}` already")));
        }
        self.keyword("in")?;
        let extent = self.cursor.integer()?;
        self.cursor.expect("{")?;
        Ok(Stmt::For(For { axis, extent, kind, body: self.block()? }))
    }

    fn conditional(&mut self) -> Parsed<Stmt> {
        self.keyword("if")?;
        self.cursor.skip_blanks();
        let place = self.cursor.place();
        let cond = self.expr()?;
        if self.kernel.pool.dtype(cond) != DType::Bool {
            return Err(self.cursor.error_at(place, "a condition is a bool"));
        }
        self.cursor.expect("{")?;
        let then = self.block()?;
        let otherwise = if !self.cursor.take_word("else") {
            Vec::new()
        } else if self.cursor.peek_word() == Some("if") {
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return Err(self.cursor.error("the nesting is too deep"));
            }
            let nested = vec![self.conditional()?];
            self.depth -= 1;
            nested
        } else {
            self.cursor.expect("{")?;
            self.block()?
        };
        Ok(Stmt::If { cond, then, otherwise })
    }

    fn alloc(&mut self) -> Parsed<Stmt> {
        self.keyword("alloc")?;
        // The scope stands behind the type.
        let (place, known) = (self.cursor.place(), self.kernel.buffers.len());
        let buffer = self.buffer(BufferKind::Temp(super::Scope::Global))?;
        let word = self.cursor.peek_word();
        let Some(&(scope, name)) = SCOPES.iter().find(|(_, name)| Some(*name) == word) else {
            return self.cursor.expected("`global`, `stack`, `register`, `shared` or `async`");
        };
        self.cursor.take_word(name);
        let is_new = self.kernel.buffers.len() > known;
        let buffer_here = &mut self.kernel.buffers[buffer];
        if !is_new && buffer_here.kind != BufferKind::Temp(scope) {
            let message = format!("`{}` is in another memory elsewhere", buffer_here.name);
            return Err(self.cursor.error_at(place, message));
        }
        buffer_here.kind = BufferKind::Temp(scope);
        self.cursor.expect("{")?;
        Ok(Stmt::Alloc { buffer, body: self.block()? })
    }

    fn combine(&mut self) -> Parsed<Stmt> {
        self.keyword("combine")?;
        let (buffer, at) = self.element()?;
        let Some(&(op, _)) = REDUCTIONS.iter().find(|(_, symbol)| self.cursor.take(symbol)) else {
            return self.cursor.expected("a reduction such as `+=`");
        };
        self.keyword("over")?;
        let mut over = Vec::new();
        loop {
            self.cursor.skip_blanks();
            let place = self.cursor.place();
            let name = self.cursor.name()?;
            let Some(axis) = self.names.axis(name) else {
                return Err(self.cursor.error_at(place, format!("no axis is called `{name}` here")));
            };
            over.push(axis);
            if !self.cursor.take(",") {
                return Ok(Stmt::Combine { buffer, at, op, over });
            }
        }
    }

    /// `NAME[SUBSCRIPTS]`
    fn element(&mut self) -> Parsed<(TensorId, Vec<ExprId>)> {
        self.cursor.skip_blanks();
        let place = self.cursor.place();
        let Ok(name) = self.cursor.name() else { return self.cursor.expected("a statement") };
        let Some((buffer, _)) = self.names.tensor(name) else {
            return Err(self.cursor.error_at(place, format!("no buffer is called `{name}` here")));
        };
        self.cursor.expect("[")?;
        Ok((buffer, self.subscripts(place)?))
    }

    fn assign(&mut self) -> Parsed<Stmt> {
        let (buffer, at) = self.element()?;
        if let Some(&(op, _)) = REDUCTIONS.iter().find(|(_, symbol)| self.cursor.take(symbol)) {
            return Ok(Stmt::Reduce { buffer, at, op, value: self.expr()? });
        }
        if !self.cursor.take("=") {
            return self.cursor.expected("`=` or a reduction such as `+=`");
        }
        Ok(Stmt::Store { buffer, at, value: self.expr()? })
    }

    fn subscripts(&mut self, place: usize) -> Parsed<Vec<ExprId>> {
        let at = parse_list(&mut self.kernel.pool, &mut self.cursor, &self.names, "]")?;
        if at.iter().all(|&id| self.kernel.pool.dtype(id) == DType::I64) {
            Ok(at)
        } else {
            Err(self.cursor.error_at(place, "a subscript is an i64"))
        }
    }

    fn expr(&mut self) -> Parsed<ExprId> {
        parse_at(&mut self.kernel.pool, &mut self.cursor, &self.names)
    }
}
