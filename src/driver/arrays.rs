//! Arrays from and to `.npy` files, with errors that say what was found, what the export expects, and how to get
//! from the one to the other in NumPy.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use crate::artifact::Param;
use crate::diag::Diagnostic;
use crate::runtime::Array;
use crate::runtime::npy::{self, Header, Mismatch, NpyError};
use crate::scalar::DType;

use super::error;

/// Reads the array for an input; the error is the user's.
pub fn read(param: &Param, path: &Path) -> Result<Array, Diagnostic> {
    let unreadable = |cause: &NpyError| {
        let why = if let NpyError::Io(cause) = cause { error::reason(cause) } else { cause.to_string() };
        let diagnostic = error::bad_array(&param.name, path, &why);
        match remedy(cause) {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        }
    };
    let open = || -> Result<_, NpyError> {
        let mut file = BufReader::new(File::open(path)?);
        let header = Header::read(&mut file)?;
        Ok((file, header))
    };
    let (mut file, header) = open().map_err(|cause| unreadable(&cause))?;
    if let Some(mismatch) = header.mismatch(param.dtype, &param.shape) {
        return Err(mismatched(param, path, &header, &mismatch));
    }
    npy::read_elements(&mut file, param.dtype, &param.shape).map_err(|cause| unreadable(&cause))
}

/// The file that holds an array.
pub fn bytes(array: &Array) -> Vec<u8> {
    let mut bytes = Vec::new();
    npy::write(&mut bytes, array).expect("a vector takes everything");
    bytes
}

/// `f32[64, 64]`
pub fn type_of(dtype: DType, shape: &[i64]) -> String {
    format!("{dtype}{shape:?}")
}

fn mismatched(param: &Param, path: &Path, header: &Header, mismatch: &Mismatch) -> Diagnostic {
    let found = match header.dtype() {
        Some(dtype) => format!("{dtype}{:?}", header.shape),
        None => format!("{}{:?}", header.descr, header.shape),
    };
    let wanted = type_of(param.dtype, &param.shape);
    let numpy = numpy_name(param.dtype);
    let (why, help) = match mismatch {
        Mismatch::DType => ("has another element type", format!("np.save(file, x.astype({numpy}))")),
        Mismatch::BigEndian => ("is big-endian", format!("np.save(file, x.astype({numpy}))")),
        Mismatch::Shape => ("has another shape", format!("np.save(file, {})", reshaped(header, &param.shape))),
        Mismatch::FortranOrder => ("is in Fortran order", "np.save(file, np.ascontiguousarray(x))".to_owned()),
    };
    let diagnostic = error::wrong_array(&param.name, path, why).note(format!("found `{found}`, expected `{wanted}`"));
    if *mismatch == Mismatch::Shape && !same_count(header, &param.shape) {
        // No reshaping helps: another array is meant, or another export.
        return diagnostic.help("give another file, or export the function for these sizes");
    }
    diagnostic.help(format!("in Python: `{help}`"))
}

fn reshaped(header: &Header, shape: &[i64]) -> String {
    let reversed: Vec<_> = shape.iter().rev().map(|&extent| extent.cast_unsigned()).collect();
    if shape.len() == 2 && header.shape == reversed {
        "np.ascontiguousarray(x.T)".to_owned()
    } else {
        format!("x.reshape({shape:?})")
    }
}

fn same_count(header: &Header, shape: &[i64]) -> bool {
    let wanted = shape.iter().product::<i64>();
    header.bytes(DType::U8).is_some_and(|count| count == wanted.cast_unsigned())
}

/// The expression that names an element type in Python.
fn numpy_name(dtype: DType) -> String {
    match dtype {
        DType::Bool => "np.bool_".to_owned(),
        DType::I8 => "np.int8".to_owned(),
        DType::U8 => "np.uint8".to_owned(),
        DType::BF16 => "ml_dtypes.bfloat16".to_owned(),
        DType::I32 | DType::I64 => format!("np.int{}", dtype.bytes() * 8),
        DType::F16 | DType::F32 | DType::F64 => format!("np.float{}", dtype.bytes() * 8),
    }
}

fn remedy(cause: &NpyError) -> Option<&'static str> {
    match cause {
        NpyError::Io(_) | NpyError::TooLarge => None,
        NpyError::Objects | NpyError::Records => {
            Some("in Python: `np.save(file, np.array(x, dtype=np.float32))`, with numbers only")
        }
        NpyError::NotNpy { .. } | NpyError::Version { .. } | NpyError::Header(_) | NpyError::Truncated { .. } => {
            Some("write it anew in Python: `np.save(file, x)`")
        }
    }
}
