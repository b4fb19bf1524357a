//! NumPy's `.npy` files, in and out.
//!
//! The header is read by hand: it has three known keys, and a file of any bytes must end in a message that says what
//! was found, never in a panic or in memory taken for a size that only the header claims. So a [`Header`] is read
//! and compared with what is expected first, and elements only then.
//!
//! NumPy has no `bf16`. Such arrays are written as two opaque bytes an element (`|V2`, as the package `ml_dtypes`
//! does) and read from that or from `<u2`; `array.view(ml_dtypes.bfloat16)` gives them their type.

use std::io::{self, Read, Write};

use super::Array;
use crate::scalar::DType;

const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// No header of an array that could be meant is longer.
const LONGEST_HEADER: usize = 1 << 16;

/// Why a file is not an array that can be read.
#[derive(Debug, thiserror::Error)]
pub enum NpyError {
    /// The system's refusal.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Another format.
    #[error("it is {found}, not a `.npy` file")]
    NotNpy {
        /// What it looks like.
        found: &'static str,
    },
    /// A version of the format that does not exist yet.
    #[error("its format version is {major}.{minor}, known are 1.0, 2.0 and 3.0")]
    Version {
        /// Before the dot.
        major: u8,
        /// After it.
        minor: u8,
    },
    /// The header is cut off or is not the dictionary that it should be.
    #[error("its header is damaged: {0}")]
    Header(String),
    /// Python objects, which only Python can load.
    #[error("it holds pickled Python objects, not numbers")]
    Objects,
    /// Named fields.
    #[error("its elements are records with named fields, not numbers")]
    Records,
    /// More elements than memory holds.
    #[error("there is not enough memory for it")]
    TooLarge,
    /// Fewer bytes than the header promises.
    #[error("it is truncated: {expected} bytes of elements should follow the header, {found} do")]
    Truncated {
        /// By the header.
        expected: u64,
        /// In the file.
        found: u64,
    },
}

/// What a file says about its elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// NumPy's name of the element type: `<f4`.
    pub descr: String,
    /// Whether the first subscript runs fastest, not the last.
    pub fortran_order: bool,
    /// The extents.
    pub shape: Vec<u64>,
}

/// How a file's elements differ from those expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// Another element type.
    DType,
    /// The right element type with its bytes the other way round.
    BigEndian,
    /// Another number of dimensions, or other extents.
    Shape,
    /// The right elements, with the first subscript running fastest.
    FortranOrder,
}

impl Header {
    /// Reads a header; the elements come next in `file`.
    pub fn read(file: &mut impl Read) -> Result<Self, NpyError> {
        let mut start = Vec::new();
        file.take(8).read_to_end(&mut start)?;
        if start.len() < 8 || !start.starts_with(MAGIC) {
            return Err(NpyError::NotNpy { found: guess(&start) });
        }
        let size_bytes = match (start[6], start[7]) {
            (1, 0) => 2,
            (2 | 3, 0) => 4,
            (major, minor) => return Err(NpyError::Version { major, minor }),
        };
        let size = read_up_to(file, size_bytes)?.iter().rev().fold(0, |size, &byte| size << 8 | usize::from(byte));
        if size > LONGEST_HEADER {
            return Err(NpyError::Header(format!("it claims to be {size} bytes long")));
        }
        let text = read_up_to(file, size)?;
        parse_header(&String::from_utf8_lossy(&text))
    }

    /// The element type, if it is one that tensors can have and its bytes are little-endian.
    pub fn dtype(&self) -> Option<DType> {
        DType::ALL.into_iter().find(|&dtype| self.is_of(dtype))
    }

    fn is_of(&self, dtype: DType) -> bool {
        let descr = self.descr.replacen('=', "<", 1);
        descr == descr_of(dtype) || (dtype == DType::BF16 && (descr == "<u2" || descr == "<V2"))
    }

    /// The number of bytes that follow, by the header; none if no memory could hold them.
    pub fn bytes(&self, dtype: DType) -> Option<u64> {
        self.shape.iter().try_fold(dtype.bytes() as u64, |bytes, &extent| bytes.checked_mul(extent))
    }

    /// What keeps the elements from being used as `dtype` and `shape`; none if nothing does.
    pub fn mismatch(&self, dtype: DType, shape: &[i64]) -> Option<Mismatch> {
        if !self.is_of(dtype) {
            let swapped = Self { descr: self.descr.replacen('>', "<", 1), ..self.clone() };
            return Some(if swapped.is_of(dtype) { Mismatch::BigEndian } else { Mismatch::DType });
        }
        if !self.shape.iter().copied().eq(shape.iter().map(|&extent| extent.cast_unsigned())) {
            return Some(Mismatch::Shape);
        }
        let one_way_only = shape.iter().filter(|&&extent| extent > 1).count() < 2;
        (self.fortran_order && !one_way_only).then_some(Mismatch::FortranOrder)
    }
}

/// The elements that follow a header that has no [`Mismatch`] with `dtype` and `shape`.
pub fn read_elements(file: &mut impl Read, dtype: DType, shape: &[i64]) -> Result<Array, NpyError> {
    let mut array = Array::zeros(dtype, shape).ok_or(NpyError::TooLarge)?;
    let bytes = array.bytes_mut();
    let mut found = 0;
    while found < bytes.len() {
        match file.read(&mut bytes[found..]) {
            Ok(0) => return Err(NpyError::Truncated { expected: bytes.len() as u64, found: found as u64 }),
            Ok(more) => found += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    if dtype == DType::Bool {
        // NumPy takes any byte but 0 for true; kernels know 0 and 1 alone.
        for byte in bytes {
            *byte = u8::from(*byte != 0);
        }
    }
    Ok(array)
}

/// Writes an array as format version 1.0, in row-major order.
pub fn write(file: &mut impl Write, array: &Array) -> io::Result<()> {
    let extents: Vec<_> = array.shape().iter().map(i64::to_string).collect();
    // `(3,)` is a tuple in Python, `(3)` is not.
    let shape = extents.join(", ") + if extents.len() == 1 { "," } else { "" };
    let descr = descr_of(array.dtype());
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}");
    let before = MAGIC.len() + 4;
    let padded = (before + header.len() + 1).next_multiple_of(64);
    header.extend(std::iter::repeat_n(' ', padded - before - header.len() - 1));
    header.push('\n');
    file.write_all(MAGIC)?;
    file.write_all(&[1, 0])?;
    file.write_all(&u16::try_from(header.len()).map_err(io::Error::other)?.to_le_bytes())?;
    file.write_all(header.as_bytes())?;
    file.write_all(array.bytes())
}

/// NumPy's name of an element type.
pub const fn descr_of(dtype: DType) -> &'static str {
    match dtype {
        DType::Bool => "|b1",
        DType::I8 => "|i1",
        DType::U8 => "|u1",
        DType::I32 => "<i4",
        DType::I64 => "<i8",
        DType::F16 => "<f2",
        DType::BF16 => "|V2",
        DType::F32 => "<f4",
        DType::F64 => "<f8",
    }
}

fn guess(start: &[u8]) -> &'static str {
    match start {
        [] => "empty",
        [b'P', b'K', ..] => "a zip archive, perhaps `.npz`",
        [0x80, ..] => "a Python pickle",
        [0x89, b'H', b'D', b'F', ..] => "an HDF5 file",
        _ if MAGIC.starts_with(start) => "cut off in its first bytes",
        _ if start.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) => "text",
        _ => "something else",
    }
}

fn read_up_to(file: &mut impl Read, size: usize) -> Result<Vec<u8>, NpyError> {
    let mut bytes = Vec::new();
    file.take(size as u64).read_to_end(&mut bytes)?;
    if bytes.len() < size { Err(NpyError::Header("the file ends in it".to_owned())) } else { Ok(bytes) }
}

/// Reads `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`, keys in any order.
fn parse_header(text: &str) -> Result<Header, NpyError> {
    let damaged = |what: &str| NpyError::Header(format!("{what} in `{}`", excerpt(text)));
    let (mut descr, mut fortran_order, mut shape) = (None, None, None);
    let mut rest = text.trim().strip_prefix('{').ok_or_else(|| damaged("no dictionary"))?.trim_start();
    while !rest.starts_with('}') {
        let (key, after) = quoted(rest).ok_or_else(|| damaged("no key"))?;
        let value = after.trim_start().strip_prefix(':').ok_or_else(|| damaged("no `:`"))?.trim_start();
        let after = match key {
            "descr" if value.starts_with(['[', '(', '{']) => return Err(NpyError::Records),
            "descr" => quoted(value).map(|(name, after)| {
                descr = Some(name.to_owned());
                after
            }),
            "fortran_order" => boolean(value).map(|(truth, after)| {
                fortran_order = Some(truth);
                after
            }),
            "shape" => extents(value).map(|(extents, after)| {
                shape = Some(extents);
                after
            }),
            _ => return Err(damaged("an unknown key")),
        };
        let after = after.ok_or_else(|| damaged(&format!("no good value of `{key}`")))?.trim_start();
        rest = match after.strip_prefix(',') {
            Some(next) => next.trim_start(),
            None if after.starts_with('}') => after,
            None => return Err(damaged("no `,`")),
        };
    }
    match (descr, fortran_order, shape) {
        (Some(descr), ..) if descr.contains('O') => Err(NpyError::Objects),
        (Some(descr), Some(fortran_order), Some(shape)) => Ok(Header { descr, fortran_order, shape }),
        _ => Err(damaged("a key is missing")),
    }
}

fn excerpt(text: &str) -> String {
    let visible = |c: char| if c.is_control() { '?' } else { c };
    let shown: String = text.trim().chars().take(80).map(visible).collect();
    if text.trim().chars().nth(80).is_some() { format!("{shown}…") } else { shown }
}

fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    text[1..].split_once(quote)
}

fn boolean(text: &str) -> Option<(bool, &str)> {
    let value = |word, truth| text.strip_prefix(word).map(|rest| (truth, rest));
    value("False", false).or_else(|| value("True", true))
}

fn extents(text: &str) -> Option<(Vec<u64>, &str)> {
    let (inside, rest) = text.strip_prefix('(')?.split_once(')')?;
    let mut parts: Vec<&str> = inside.split(',').map(str::trim).collect();
    if parts.last() == Some(&"") {
        parts.pop();
    }
    // Python 2 wrote `3L`.
    let extents = parts.iter().map(|part| part.trim_end_matches('L').parse().ok()).collect::<Option<Vec<_>>>()?;
    Some((extents, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::Values;

    fn file(header: &str, elements: usize) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(vec![1; elements]);
        bytes
    }

    fn header(descr: &str, order: &str, shape: &str) -> Result<Header, NpyError> {
        let text = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
        Header::read(&mut file(&text, 0).as_slice())
    }

    #[test]
    fn what_is_written_is_read_back() {
        for dtype in DType::ALL {
            for shape in [&[][..], &[3], &[2, 3], &[1, 2, 1, 4]] {
                let count: i64 = shape.iter().product();
                let values = Values::ints(dtype, shape, (0..count).map(|n| n % 2).collect()).expect("count elements");
                let array = Array::from_values(&values).expect("some bytes");
                let mut bytes = Vec::new();
                write(&mut bytes, &array).expect("a vector takes everything");
                assert_eq!((bytes.len() - array.bytes().len()) % 64, 0);
                let mut rest = bytes.as_slice();
                let header = Header::read(&mut rest).expect("a header");
                assert_eq!((header.dtype(), header.mismatch(dtype, shape)), (Some(dtype), None));
                assert_eq!(read_elements(&mut rest, dtype, shape).expect("elements"), array);
            }
        }
    }

    #[test]
    fn each_mismatch_has_its_name() {
        let of = |descr, order, shape| header(descr, order, shape).expect("a header").mismatch(DType::F32, &[2, 3]);
        assert_eq!(of("<f4", "False", "(2, 3)"), None);
        assert_eq!(of("=f4", "False", "(2, 3)"), None);
        assert_eq!(of("<f8", "False", "(2, 3)"), Some(Mismatch::DType));
        assert_eq!(of(">f4", "False", "(2, 3)"), Some(Mismatch::BigEndian));
        assert_eq!(of("<f4", "False", "(3, 2)"), Some(Mismatch::Shape));
        assert_eq!(of("<f4", "False", "(2L, 3L)"), None);
        assert_eq!(of("<f4", "True", "(2, 3)"), Some(Mismatch::FortranOrder));
        assert_eq!(header("<f4", "True", "(5,)").expect("a header").mismatch(DType::F32, &[5]), None);
        assert_eq!(header("<f4", "False", "()").expect("a header").mismatch(DType::F32, &[]), None);
    }

    #[test]
    fn bad_files_are_errors_that_say_what_was_found() {
        let message = |bytes: &[u8]| Header::read(&mut &bytes[..]).expect_err("a bad file").to_string();
        let header = |text: &str| message(&file(text, 8));
        let header_of = |descr: &str, order: &str, shape: &str| {
            header(&format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"))
        };
        assert_eq!(message(b""), "it is empty, not a `.npy` file");
        assert_eq!(message(b"\x93NUM"), "it is cut off in its first bytes, not a `.npy` file");
        assert_eq!(message(b"PK\x03\x04 and more"), "it is a zip archive, perhaps `.npz`, not a `.npy` file");
        assert_eq!(message(b"1.0, 2.0, 3.0"), "it is text, not a `.npy` file");
        assert_eq!(message(b"\x80\x04\x95 and more"), "it is a Python pickle, not a `.npy` file");
        assert_eq!(message(b"\x93NUMPY\x07\x01\0\0"), "its format version is 7.1, known are 1.0, 2.0 and 3.0");
        assert_eq!(message(b"\x93NUMPY\x01\0\xff"), "its header is damaged: the file ends in it");
        let long = message(b"\x93NUMPY\x02\0\xff\xff\xff\xff");
        assert_eq!(long, "its header is damaged: it claims to be 4294967295 bytes long");
        assert_eq!(header_of("'|O'", "False", "(2,)"), "it holds pickled Python objects, not numbers");
        let records = header_of("[('a', '<f4')]", "False", "(2,)");
        assert_eq!(records, "its elements are records with named fields, not numbers");
        let missing = header("{'descr': '<f4', 'shape': (2,), }");
        assert_eq!(missing, "its header is damaged: a key is missing in `{'descr': '<f4', 'shape': (2,), }`");
        assert!(header_of("'<f4'", "False", "(-2,)").starts_with("its header is damaged: no good value of `shape`"));
        assert!(
            header_of("'<f4'", "No", "(2,)").starts_with("its header is damaged: no good value of `fortran_order`")
        );
        assert_eq!(header("((((((((((("), "its header is damaged: no dictionary in `(((((((((((`");
    }

    #[test]
    fn no_memory_is_taken_for_what_only_the_header_claims() {
        let huge = header("<f8", "False", "(9999999999999, 9999999999999)").expect("a header");
        assert_eq!(huge.bytes(DType::F64), None);
        let short = read_elements(&mut &[0u8; 20][..], DType::F32, &[2, 3]).expect_err("too few bytes");
        assert_eq!(short.to_string(), "it is truncated: 24 bytes of elements should follow the header, 20 do");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_after_the_magic_are_read_or_refused(tail: Vec<u8>, text in "[{}'a-z<>0-9(),: ]{0,60}") {
            let _ = Header::read(&mut [&MAGIC[..], &tail].concat().as_slice());
            let _ = Header::read(&mut file(&text, 0).as_slice());
        }
    }
}
