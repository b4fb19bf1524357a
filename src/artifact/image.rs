//! What a GPU runs: machine code, and how to start it. Not a library: there is no code for the host in it, which makes it
//! ten times faster to compile. `runtime::gpu` loads it.
//!
//! As a file it is the length of its plan, the plan as JSON, and the code.

use super::{ArtifactError, CudaForm, Nvcc};
use crate::codegen::cuda::module::{Module, Plan};
use crate::target::Gpu;

/// Machine code for one GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// How to run it.
    pub plan: Plan,
    /// As nvcc made it.
    pub code: Vec<u8>,
}

impl Image {
    /// Compiles a module; `name` is for messages.
    pub fn compile(name: &str, module: &Module, gpu: &Gpu) -> Result<Self, ArtifactError> {
        let code = Nvcc::find()?.compile(name, &module.text, gpu, CudaForm::Cubin)?;
        Ok(Self { plan: module.plan.clone(), code })
    }

    /// As a file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let plan = serde_json::to_vec(&self.plan).expect("a plan has only strings for keys");
        let length = (plan.len() as u64).to_le_bytes();
        [&length[..], &plan, &self.code].concat()
    }

    /// From a file; none if it is not one.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk::<8>()?;
        let (plan, code) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        Some(Self { plan: serde_json::from_slice(plan).ok()?, code: code.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codegen::cuda::module::{Argument, Start};

    #[test]
    fn an_image_reads_back_and_what_is_cut_off_does_not() {
        let start = Start {
            name: "k".to_owned(),
            grid: [2, 1, 1],
            block: [32, 1, 1],
            shared: 0,
            args: vec![Argument::Param(0), Argument::Workspace(256)],
        };
        let image = Image {
            plan: Plan { ahead: Vec::new(), launches: vec![start], workspace: 512, block: 0 },
            code: vec![1, 2, 3],
        };
        let bytes = image.to_bytes();
        assert_eq!(Image::from_bytes(&bytes), Some(image));
        assert_eq!(Image::from_bytes(&bytes[..20]), None);
        assert_eq!(Image::from_bytes(&[]), None);
    }
}
