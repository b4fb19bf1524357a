//! Reads the text form that `print` writes. Types are found bottom-up, so what parses is well typed; whether subscripts
//! have the right number and stay inside is for verifiers. Nesting is limited.

pub(crate) use super::cursor::Cursor;
pub use super::cursor::{ParseError, Parsed};
use super::print::{UNARY, precedence};
use super::{AxisId, ExprId, Pool, TensorId, typing};
use crate::scalar::op::{Class, TABLE};
use crate::scalar::{Const, DType, Op};

/// Nesting beyond this is an error.
const MAX_DEPTH: usize = 200;

/// What names mean.
pub trait Scope {
    /// The axis of that name.
    fn axis(&self, name: &str) -> Option<AxisId>;
    /// The tensor of that name and its element type.
    fn tensor(&self, name: &str) -> Option<(TensorId, DType)>;
}

/// Reads a text that is one expression.
pub fn parse(pool: &mut Pool, text: &str, scope: &dyn Scope) -> Parsed<ExprId> {
    let mut cursor = Cursor::new(text);
    let id = parse_at(pool, &mut cursor, scope)?;
    if cursor.at_end() { Ok(id) } else { cursor.expected("an operator or the end") }
}

/// Reads an expression that starts at the cursor.
pub(crate) fn parse_at(pool: &mut Pool, cursor: &mut Cursor<'_>, scope: &dyn Scope) -> Parsed<ExprId> {
    Parser { pool, cursor, scope, depth: 0 }.expr(0)
}

/// Reads expressions up to `end`, which is taken: the subscripts behind `[`.
pub(crate) fn parse_list(
    pool: &mut Pool,
    cursor: &mut Cursor<'_>,
    scope: &dyn Scope,
    end: &str,
) -> Parsed<Vec<ExprId>> {
    Parser { pool, cursor, scope, depth: 0 }.list(end)
}

/// Reads a constant: a literal, perhaps negative, or one of the words for truth, infinity and not-a-number.
pub(crate) fn parse_const(cursor: &mut Cursor<'_>) -> Parsed<Const> {
    struct Nothing;
    impl Scope for Nothing {
        fn axis(&self, _: &str) -> Option<AxisId> {
            None
        }
        fn tensor(&self, _: &str) -> Option<(TensorId, DType)> {
            None
        }
    }
    let mut pool = Pool::new();
    cursor.skip_blanks();
    let place = cursor.place();
    let id = Parser { pool: &mut pool, cursor, scope: &Nothing, depth: 0 }.expr(UNARY)?;
    pool.as_const(id).ok_or_else(|| cursor.error_at(place, "expected a constant"))
}

struct Parser<'a, 'text> {
    pool: &'a mut Pool,
    cursor: &'a mut Cursor<'text>,
    scope: &'a dyn Scope,
    depth: usize,
}

impl Parser<'_, '_> {
    /// An expression of operators that bind at least as tightly as `least`.
    fn expr(&mut self, least: u8) -> Parsed<ExprId> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.cursor.error("the nesting is too deep"));
        }
        let mut left = self.operand()?;
        let mut compared = false;
        while let Some(op) = self.peek_operator().filter(|&op| precedence(op) >= least) {
            let is_comparison = op.info().class == Class::Compare;
            if is_comparison && compared {
                return Err(self.cursor.error("comparisons do not chain; write parentheses"));
            }
            compared = is_comparison;
            let place = self.cursor.place();
            self.cursor.expect(op.info().name)?;
            let right = self.expr(precedence(op) + 1)?;
            let types = [self.pool.dtype(left), self.pool.dtype(right)];
            typing::result(op, &types).map_err(|why| self.cursor.error_at(place, why))?;
            left = self.pool.binary(op, left, right);
        }
        self.depth -= 1;
        Ok(left)
    }

    fn peek_operator(&mut self) -> Option<Op> {
        let rows = TABLE.iter().filter(|row| row.arity == 2 && !row.is_intrinsic());
        // The longest spelling: `<=` before `<`.
        let row = rows.filter(|row| self.cursor.sees(row.name)).max_by_key(|row| row.name.len())?;
        // `+=` and `=` are the statement's.
        let assigns = self.cursor.sees(&format!("{}=", row.name)) && row.class == Class::Arithmetic;
        (!assigns).then_some(row.op)
    }

    fn operand(&mut self) -> Parsed<ExprId> {
        self.cursor.skip_blanks();
        let place = self.cursor.place();
        if self.cursor.take("(") {
            let inner = self.expr(0)?;
            self.cursor.expect(")")?;
            return Ok(inner);
        }
        if self.cursor.take("-") {
            return match self.literal("-")? {
                Some(literal) => Ok(literal),
                None => self.unary(Op::Neg, place),
            };
        }
        if self.cursor.take("!") {
            return self.unary(Op::Not, place);
        }
        if let Some(literal) = self.literal("")? {
            return Ok(literal);
        }
        match self.cursor.peek_word() {
            Some(word) => self.word(word, place),
            None => self.named(place),
        }
    }

    fn unary(&mut self, op: Op, place: usize) -> Parsed<ExprId> {
        let a = self.expr(UNARY)?;
        typing::result(op, &[self.pool.dtype(a)]).map_err(|why| self.cursor.error_at(place, why))?;
        Ok(self.pool.unary(op, a))
    }

    fn word(&mut self, word: &str, place: usize) -> Parsed<ExprId> {
        let constant = match word {
            "true" => Some(Const::bool(true)),
            "false" => Some(Const::bool(false)),
            "inf" => Some(Const::float(DType::F32, f64::INFINITY)),
            "nan" => Some(Const::float(DType::F32, f64::NAN)),
            _ => None,
        };
        if let Some(value) = constant {
            self.cursor.take_word(word);
            return Ok(self.pool.constant(value));
        }
        if self.cursor.take_word("if") {
            return self.select(place);
        }
        if let Some(dtype) = DType::from_name(word) {
            self.cursor.take_word(word);
            let [value] = self.args(place)?;
            return Ok(self.pool.cast(dtype, value));
        }
        let Some(op) = Op::intrinsic(word) else { return self.named(place) };
        self.cursor.take_word(word);
        if op.info().arity == 1 {
            let [a] = self.args(place)?;
            typing::result(op, &[self.pool.dtype(a)]).map_err(|why| self.cursor.error_at(place, why))?;
            return Ok(self.pool.unary(op, a));
        }
        let [a, b] = self.args(place)?;
        let types = [self.pool.dtype(a), self.pool.dtype(b)];
        typing::result(op, &types).map_err(|why| self.cursor.error_at(place, why))?;
        Ok(self.pool.binary(op, a, b))
    }

    fn args<const N: usize>(&mut self, place: usize) -> Parsed<[ExprId; N]> {
        self.cursor.expect("(")?;
        let list = self.list(")")?;
        let found = list.len();
        list.try_into().map_err(|_| self.cursor.error_at(place, format!("expected {N} operands, found {found}")))
    }

    fn list(&mut self, end: &str) -> Parsed<Vec<ExprId>> {
        let mut list = Vec::new();
        while !self.cursor.take(end) {
            list.push(self.expr(0)?);
            if !self.cursor.take(",") {
                self.cursor.expect(end)?;
                break;
            }
        }
        Ok(list)
    }

    fn select(&mut self, place: usize) -> Parsed<ExprId> {
        let mut arms = Vec::new();
        loop {
            let cond = self.expr(0)?;
            arms.push((cond, self.braced()?));
            if !self.cursor.take_word("else") {
                return self.cursor.expected("`else`");
            }
            if !self.cursor.take_word("if") {
                break;
            }
        }
        let mut value = self.braced()?;
        for (cond, then) in arms.into_iter().rev() {
            typing::select(self.pool.dtype(cond), self.pool.dtype(then), self.pool.dtype(value))
                .map_err(|why| self.cursor.error_at(place, why))?;
            value = self.pool.select(cond, then, value);
        }
        Ok(value)
    }

    fn braced(&mut self) -> Parsed<ExprId> {
        self.cursor.expect("{")?;
        let inner = self.expr(0)?;
        self.cursor.expect("}")?;
        Ok(inner)
    }

    /// An axis, or a load.
    fn named(&mut self, place: usize) -> Parsed<ExprId> {
        let name = match self.cursor.name() {
            Ok(name) => name,
            Err(error) if self.cursor.sees("`") => return Err(error),
            Err(_) => return self.cursor.expected("an expression"),
        };
        if !self.cursor.take("[") {
            let axis = self.scope.axis(name);
            let axis = axis.ok_or_else(|| self.cursor.error_at(place, format!("no axis is called `{name}` here")))?;
            return Ok(self.pool.axis(axis));
        }
        let tensor = self.scope.tensor(name);
        let (tensor, dtype) =
            tensor.ok_or_else(|| self.cursor.error_at(place, format!("no tensor is called `{name}` here")))?;
        let at = self.list("]")?;
        for &subscript in &at {
            typing::subscript(self.pool.dtype(subscript)).map_err(|why| self.cursor.error_at(place, why))?;
        }
        Ok(self.pool.load(tensor, at, dtype))
    }

    fn literal(&mut self, sign: &str) -> Parsed<Option<ExprId>> {
        self.cursor.skip_blanks();
        let place = self.cursor.place();
        let Some(number) = self.cursor.number() else { return Ok(None) };
        let dtype = match (number.suffix, number.is_float) {
            ("", false) => DType::I64,
            ("", true) => DType::F32,
            (suffix, _) => DType::from_name(suffix)
                .filter(|&dtype| dtype != DType::Bool)
                .ok_or_else(|| self.cursor.error_at(place, format!("`{suffix}` is no type of numbers")))?,
        };
        let text = format!("{sign}{}", number.digits);
        let value = literal(dtype, &text, number.is_float);
        let value =
            value.ok_or_else(|| self.cursor.error_at(place, format!("`{text}` is no number of type {dtype}")))?;
        Ok(Some(self.pool.constant(value)))
    }
}

/// The number of that type, if it is one.
fn literal(dtype: DType, text: &str, is_float: bool) -> Option<Const> {
    if let Some((min, max)) = dtype.int_range() {
        let value = text.parse().ok().filter(|&value| !is_float && min <= value && value <= max)?;
        return Some(Const::int(dtype, value));
    }
    let value = if dtype == DType::F32 { f64::from(text.parse::<f32>().ok()?) } else { text.parse().ok()? };
    Some(Const::float(dtype, value)).filter(|value| value.to_f64().is_finite())
}
