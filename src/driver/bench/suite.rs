//! A suite of workloads: the JSON file of `ftc bench`, read into data that remembers where it stood.
//!
//! ```json
//! {"note": "…", "workloads": [
//!     {"name": "GMM512", "op": "gemm", "dtype": "f32", "params": {"M": 512, "K": 512, "N": 512}},
//!     {"name": "C2D1", "op": "conv2d", "dtype": "f32",
//!      "params": {"N": 1, "C": 64, "spatial": [112, 112], "K": 192, "R": [3, 3], "stride": 1, "pad": 1}}]}
//! ```
//!
//! What an operator's parameters mean is not known here; see `bind`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::error;
use crate::diag::Diagnostic;
use crate::scalar::DType;
use crate::source::{FileId, Span};

/// A suite.
#[derive(Clone, Debug, PartialEq)]
pub struct Suite {
    /// What its author says about it.
    pub note: String,
    /// At least one, with different names.
    pub workloads: Vec<Workload>,
}

/// One operator at one size.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// Unique in the suite; letters, digits, `_`, `-` and `.`.
    pub name: String,
    /// A function of the standard library.
    pub op: String,
    /// Element type of the operands.
    pub dtype: DType,
    /// Sizes and numbers by name, in the order of the alphabet.
    pub params: Vec<Param>,
    /// Where the name stands.
    pub name_span: Span,
    /// Where the operator stands.
    pub op_span: Span,
    /// Where the element type stands.
    pub dtype_span: Span,
}

/// One parameter of a workload.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Value,
    /// Where the value stands.
    pub span: Span,
}

/// The value of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A size or a number.
    Int(i64),
    /// Several sizes.
    List(Vec<i64>),
    /// A switch.
    Bool(bool),
}

impl Value {
    /// The value in JSON, as the peer gets it.
    pub fn json(&self) -> serde_json::Value {
        match self {
            Self::Int(value) => (*value).into(),
            Self::List(values) => values.clone().into(),
            Self::Bool(value) => (*value).into(),
        }
    }
}

/// The file as serde sees it. The raw values are slices of the text, so their places are known.
#[derive(Deserialize)]
struct RawSuite<'a> {
    #[serde(borrow, default)]
    note: Cow<'a, str>,
    #[serde(borrow)]
    workloads: Vec<RawWorkload<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWorkload<'a> {
    #[serde(borrow)]
    name: &'a RawValue,
    #[serde(borrow)]
    op: &'a RawValue,
    #[serde(borrow)]
    dtype: &'a RawValue,
    #[serde(borrow)]
    params: BTreeMap<Cow<'a, str>, &'a RawValue>,
}

/// Reads a suite, or says all that is wrong with it.
pub fn parse(file: FileId, text: &str) -> Result<Suite, Vec<Diagnostic>> {
    let raw: RawSuite<'_> = serde_json::from_str(text).map_err(|cause| vec![error::not_a_suite(file, text, &cause)])?;
    if raw.workloads.is_empty() {
        return Err(vec![error::no_workloads(Span::new(file, 0, text.len().min(1)))]);
    }
    let reader = Reader { file, text };
    let mut workloads: Vec<Workload> = Vec::new();
    let mut found = Vec::new();
    for raw in &raw.workloads {
        match reader.workload(raw) {
            Ok(workload) => match workloads.iter().find(|other| other.name == workload.name) {
                Some(first) => found.push(error::same_name(&workload.name, workload.name_span, first.name_span)),
                None => workloads.push(workload),
            },
            Err(diagnostic) => found.push(diagnostic),
        }
    }
    if found.is_empty() { Ok(Suite { note: raw.note.into_owned(), workloads }) } else { Err(found) }
}

struct Reader<'a> {
    file: FileId,
    text: &'a str,
}

impl Reader<'_> {
    fn workload(&self, raw: &RawWorkload<'_>) -> Result<Workload, Diagnostic> {
        let name = self.string("name", raw.name)?;
        let name_span = self.span(raw.name);
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c)) {
            return Err(error::bad_name(&name, name_span));
        }
        let dtype_name = self.string("dtype", raw.dtype)?;
        let dtype_span = self.span(raw.dtype);
        let dtype = DType::from_name(&dtype_name).ok_or_else(|| error::unknown_dtype(&dtype_name, dtype_span))?;
        let params = raw.params.iter().map(|(name, value)| self.param(name, value)).collect::<Result<_, _>>()?;
        let op = self.string("op", raw.op)?;
        Ok(Workload { name, op, dtype, params, name_span, op_span: self.span(raw.op), dtype_span })
    }

    fn param(&self, name: &str, raw: &RawValue) -> Result<Param, Diagnostic> {
        let span = self.span(raw);
        let refuse =
            || error::param_kind(name, "a whole number of 64 bits, `true`, `false`, or a list of whole numbers", span);
        let json: serde_json::Value = serde_json::from_str(raw.get()).map_err(|_| refuse())?;
        let value = match &json {
            serde_json::Value::Number(number) => number.as_i64().map(Value::Int),
            serde_json::Value::Bool(truth) => Some(Value::Bool(*truth)),
            serde_json::Value::Array(items) => {
                items.iter().map(serde_json::Value::as_i64).collect::<Option<_>>().map(Value::List)
            }
            serde_json::Value::Null | serde_json::Value::String(_) | serde_json::Value::Object(_) => None,
        };
        Ok(Param { name: name.to_owned(), value: value.ok_or_else(refuse)?, span })
    }

    fn string(&self, field: &str, raw: &RawValue) -> Result<String, Diagnostic> {
        serde_json::from_str(raw.get()).map_err(|_| error::not_a_string(field, self.span(raw)))
    }

    /// Where a slice of the text stands in it.
    fn span(&self, raw: &RawValue) -> Span {
        let start = raw.get().as_ptr().addr() - self.text.as_ptr().addr();
        Span::new(self.file, start, start + raw.get().len())
    }
}
