//! Building LLVM instructions, one short function each: the only place that calls LLVM's builder.
//!
//! A [`Value`] is a scalar or a vector, and every function takes either: a constant made by [`Ir::int`] or
//! [`Ir::float`] has the lanes of the value that it is to meet. Wrong operands are a fault of the caller that the
//! verifier finds before anything else sees the module.

#![expect(unsafe_code, reason = "LLVM's C interface; values and types all belong to one context, which outlives them")]

use std::ffi::CString;
use std::marker::PhantomData;

use inkwell::basic_block::BasicBlock;
use inkwell::builder::Builder;
use inkwell::context::Context;
use inkwell::llvm_sys;
use inkwell::llvm_sys::core as llvm;
use inkwell::llvm_sys::prelude::{LLVMTypeRef, LLVMValueRef};
use inkwell::llvm_sys::{LLVMFastMathNoSignedZeros, LLVMIntPredicate, LLVMRealPredicate, LLVMTypeKind};
use inkwell::module::Module;
use inkwell::types::{AsTypeRef, BasicTypeEnum, StructType};
use inkwell::values::{ArrayValue, AsValueRef, FunctionValue};

pub(super) use inkwell::llvm_sys::LLVMIntPredicate as IntPredicate;
pub(super) use inkwell::llvm_sys::LLVMRealPredicate as RealPredicate;

/// A value of a function that is being built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Value<'ctx> {
    raw: LLVMValueRef,
    context: PhantomData<&'ctx Context>,
}

/// A scalar type.
pub(super) type Scalar<'ctx> = BasicTypeEnum<'ctx>;

/// Builds instructions at the end of a block.
pub(super) struct Ir<'ctx> {
    pub(super) context: &'ctx Context,
    pub(super) builder: Builder<'ctx>,
}

macro_rules! binary {
    ($($(#[$doc:meta])* $name:ident: $build:ident;)*) => {
        $($(#[$doc])*
        pub(super) fn $name(&self, a: Value<'ctx>, b: Value<'ctx>) -> Value<'ctx> {
            // SAFETY: both operands belong to the function in which the builder stands.
            Value::new(unsafe { llvm::$build(self.builder.as_mut_ptr(), a.raw, b.raw, NO_NAME) })
        })*
    };
}

macro_rules! convert {
    ($($name:ident: $build:ident;)*) => {
        $(pub(super) fn $name(&self, value: Value<'ctx>, to: Scalar<'ctx>) -> Value<'ctx> {
            let to = value.shaped(to);
            // SAFETY: as for the binary operations.
            Value::new(unsafe { llvm::$build(self.builder.as_mut_ptr(), value.raw, to, NO_NAME) })
        })*
    };
}

pub(super) const NO_NAME: *const std::ffi::c_char = c"".as_ptr();

pub(super) fn name(text: &str) -> CString {
    CString::new(text.replace('\0', "")).expect("no zero byte is left")
}

impl<'ctx> Value<'ctx> {
    pub(super) const fn new(raw: LLVMValueRef) -> Self {
        Self { raw, context: PhantomData }
    }

    /// The value behind one of inkwell's.
    pub(super) fn of(value: &impl AsValueRef) -> Self {
        Self::new(value.as_value_ref())
    }

    /// For the few places that need more of LLVM than is here.
    pub(super) const fn raw(self) -> LLVMValueRef {
        self.raw
    }

    /// The number of lanes of a vector.
    pub(super) fn lanes(self) -> Option<u32> {
        let own = self.type_ref();
        // SAFETY: the type is asked for its lanes only where it is a vector.
        unsafe {
            match llvm::LLVMGetTypeKind(own) {
                LLVMTypeKind::LLVMVectorTypeKind => Some(llvm::LLVMGetVectorSize(own)),
                _ => None,
            }
        }
    }

    /// Whether it is the constant with no bit set.
    pub(super) fn is_zero(self) -> bool {
        // SAFETY: a value.
        unsafe { llvm::LLVMIsNull(self.raw) != 0 }
    }

    /// Whether it is the constant with all bits set.
    pub(super) fn is_ones(self) -> bool {
        // SAFETY: an integer or a vector of integers; constants exist once.
        unsafe { llvm::LLVMConstAllOnes(self.type_ref()) == self.raw }
    }

    /// Whether it is the address of a buffer on the stack.
    pub(super) fn is_on_stack(self) -> bool {
        // SAFETY: a value.
        unsafe { !llvm::LLVMIsAAllocaInst(self.raw).is_null() }
    }

    fn type_ref(self) -> LLVMTypeRef {
        // SAFETY: a value has a type.
        unsafe { llvm::LLVMTypeOf(self.raw) }
    }

    /// The type that has this value's lanes, of another scalar type.
    fn shaped(self, scalar: Scalar<'ctx>) -> LLVMTypeRef {
        let own = self.type_ref();
        // SAFETY: the type is asked for its lanes only where it is a vector.
        unsafe {
            match llvm::LLVMGetTypeKind(own) {
                LLVMTypeKind::LLVMVectorTypeKind => {
                    llvm::LLVMVectorType(scalar.as_type_ref(), llvm::LLVMGetVectorSize(own))
                }
                _ => scalar.as_type_ref(),
            }
        }
    }

    /// This value's scalar type.
    fn scalar(self) -> LLVMTypeRef {
        let own = self.type_ref();
        // SAFETY: as in `shaped`.
        unsafe {
            match llvm::LLVMGetTypeKind(own) {
                LLVMTypeKind::LLVMVectorTypeKind => llvm::LLVMGetElementType(own),
                _ => own,
            }
        }
    }

    /// One scalar constant in each of this value's lanes.
    fn splat(self, constant: LLVMValueRef) -> Self {
        let own = self.type_ref();
        // SAFETY: the list is as long as the count says.
        unsafe {
            match llvm::LLVMGetTypeKind(own) {
                LLVMTypeKind::LLVMVectorTypeKind => {
                    let mut lanes = vec![constant; llvm::LLVMGetVectorSize(own) as usize];
                    Self::new(llvm::LLVMConstVector(lanes.as_mut_ptr(), lanes.len() as u32))
                }
                _ => Self::new(constant),
            }
        }
    }
}

#[expect(clippy::unused_self, reason = "constants are asked for as instructions are")]
impl<'ctx> Ir<'ctx> {
    pub(super) fn new(context: &'ctx Context) -> Self {
        Self { context, builder: context.create_builder() }
    }

    binary! {
        add: LLVMBuildAdd;
        sub: LLVMBuildSub;
        mul: LLVMBuildMul;
        sdiv: LLVMBuildSDiv;
        udiv: LLVMBuildUDiv;
        srem: LLVMBuildSRem;
        urem: LLVMBuildURem;
        and: LLVMBuildAnd;
        or: LLVMBuildOr;
        xor: LLVMBuildXor;
        shl: LLVMBuildShl;
        lshr: LLVMBuildLShr;
        ashr: LLVMBuildAShr;
        nsw_add: LLVMBuildNSWAdd;
        nsw_sub: LLVMBuildNSWSub;
        nsw_mul: LLVMBuildNSWMul;
        fadd: LLVMBuildFAdd;
        fsub: LLVMBuildFSub;
        fmul: LLVMBuildFMul;
        fdiv: LLVMBuildFDiv;
    }

    convert! {
        trunc: LLVMBuildTrunc;
        zext: LLVMBuildZExt;
        sext: LLVMBuildSExt;
        fptrunc: LLVMBuildFPTrunc;
        fpext: LLVMBuildFPExt;
        sitofp: LLVMBuildSIToFP;
        uitofp: LLVMBuildUIToFP;
        bitcast: LLVMBuildBitCast;
        address_of: LLVMBuildPtrToInt;
    }

    /// The integer constant of `like`'s type.
    pub(super) fn int(&self, like: Value<'ctx>, value: i64) -> Value<'ctx> {
        // SAFETY: `like` is an integer or a vector of integers.
        like.splat(unsafe { llvm::LLVMConstInt(like.scalar(), value.cast_unsigned(), 1) })
    }

    /// The float constant of `like`'s type.
    pub(super) fn float(&self, like: Value<'ctx>, value: f64) -> Value<'ctx> {
        // SAFETY: `like` is a float or a vector of floats.
        like.splat(unsafe { llvm::LLVMConstReal(like.scalar(), value) })
    }

    /// The scalar integer constant of a type.
    pub(super) fn int_of(&self, scalar: Scalar<'ctx>, value: i64) -> Value<'ctx> {
        // SAFETY: an integer type.
        Value::new(unsafe { llvm::LLVMConstInt(scalar.as_type_ref(), value.cast_unsigned(), 1) })
    }

    /// The scalar float constant of a type.
    pub(super) fn float_of(&self, scalar: Scalar<'ctx>, value: f64) -> Value<'ctx> {
        // SAFETY: a float type.
        Value::new(unsafe { llvm::LLVMConstReal(scalar.as_type_ref(), value) })
    }

    /// An array constant of these bytes.
    pub(super) fn data(&self, scalar: Scalar<'ctx>, bytes: &[u8]) -> ArrayValue<'ctx> {
        // SAFETY: the length goes with the bytes, which LLVM copies; the result is an array of `scalar`s.
        unsafe {
            let data = llvm::LLVMConstDataArray(scalar.as_type_ref(), bytes.as_ptr().cast(), bytes.len());
            ArrayValue::new(data)
        }
    }

    /// `a + b`, not wrapping in either sense.
    pub(super) fn nuw_add(&self, a: Value<'ctx>, b: Value<'ctx>) -> Value<'ctx> {
        self.unsigned_too(self.nsw_add(a, b))
    }

    /// `a * b`, not wrapping in either sense.
    pub(super) fn nuw_mul(&self, a: Value<'ctx>, b: Value<'ctx>) -> Value<'ctx> {
        self.unsigned_too(self.nsw_mul(a, b))
    }

    fn unsigned_too(&self, value: Value<'ctx>) -> Value<'ctx> {
        // SAFETY: the flag is set on instructions only, not on what was folded to a constant.
        unsafe {
            if !llvm::LLVMIsAInstruction(value.raw).is_null() {
                llvm::LLVMSetNUW(value.raw, 1);
            }
        }
        value
    }

    /// Allows an operation to lose the sign of a zero.
    pub(super) fn any_zero(&self, value: Value<'ctx>) -> Value<'ctx> {
        // SAFETY: the flags are set only where LLVM says that they can be.
        unsafe {
            if !llvm::LLVMIsAInstruction(value.raw).is_null() && llvm::LLVMCanValueUseFastMathFlags(value.raw) != 0 {
                llvm::LLVMSetFastMathFlags(value.raw, LLVMFastMathNoSignedZeros);
            }
        }
        value
    }

    pub(super) fn neg(&self, value: Value<'ctx>) -> Value<'ctx> {
        self.sub(self.int(value, 0), value)
    }

    pub(super) fn not(&self, value: Value<'ctx>) -> Value<'ctx> {
        self.xor(value, self.int(value, -1))
    }

    pub(super) fn fneg(&self, value: Value<'ctx>) -> Value<'ctx> {
        // SAFETY: as for the binary operations.
        Value::new(unsafe { llvm::LLVMBuildFNeg(self.builder.as_mut_ptr(), value.raw, NO_NAME) })
    }

    pub(super) fn icmp(&self, predicate: LLVMIntPredicate, a: Value<'ctx>, b: Value<'ctx>) -> Value<'ctx> {
        // SAFETY: as for the binary operations.
        Value::new(unsafe { llvm::LLVMBuildICmp(self.builder.as_mut_ptr(), predicate, a.raw, b.raw, NO_NAME) })
    }

    pub(super) fn fcmp(&self, predicate: LLVMRealPredicate, a: Value<'ctx>, b: Value<'ctx>) -> Value<'ctx> {
        // SAFETY: as for the binary operations.
        Value::new(unsafe { llvm::LLVMBuildFCmp(self.builder.as_mut_ptr(), predicate, a.raw, b.raw, NO_NAME) })
    }

    pub(super) fn select(&self, cond: Value<'ctx>, then: Value<'ctx>, otherwise: Value<'ctx>) -> Value<'ctx> {
        let builder = self.builder.as_mut_ptr();
        // SAFETY: as for the binary operations.
        Value::new(unsafe { llvm::LLVMBuildSelect(builder, cond.raw, then.raw, otherwise.raw, NO_NAME) })
    }

    /// Loads one scalar.
    pub(super) fn load(&self, scalar: Scalar<'ctx>, from: Value<'ctx>, called: &str) -> Value<'ctx> {
        let (builder, called) = (self.builder.as_mut_ptr(), name(called));
        // SAFETY: `from` is a pointer.
        Value::new(unsafe { llvm::LLVMBuildLoad2(builder, scalar.as_type_ref(), from.raw, called.as_ptr()) })
    }

    pub(super) fn store(&self, value: Value<'ctx>, to: Value<'ctx>) {
        // SAFETY: `to` is a pointer.
        unsafe { llvm::LLVMBuildStore(self.builder.as_mut_ptr(), value.raw, to.raw) };
    }

    /// Stores an address, and gives that which was there, as one step that no other thread sees the middle of.
    pub(super) fn swap(&self, at: Value<'ctx>, address: Value<'ctx>) -> Value<'ctx> {
        let order = llvm_sys::LLVMAtomicOrdering::LLVMAtomicOrderingAcquireRelease;
        let how = llvm_sys::LLVMAtomicRMWBinOp::LLVMAtomicRMWBinOpXchg;
        // SAFETY: `at` is where an address is.
        Value::new(unsafe { llvm::LLVMBuildAtomicRMW(self.builder.as_mut_ptr(), how, at.raw, address.raw, order, 0) })
    }

    /// The address of element `index` of the array of `scalar`s at `base`, with LLVM's flags about overflow.
    pub(super) fn element_with(
        &self,
        scalar: Scalar<'ctx>,
        base: Value<'ctx>,
        index: Value<'ctx>,
        flags: u32,
    ) -> Value<'ctx> {
        let (builder, kind, mut index) = (self.builder.as_mut_ptr(), scalar.as_type_ref(), index.raw);
        // SAFETY: one index is given, as the count says.
        Value::new(unsafe {
            llvm::LLVMBuildGEPWithNoWrapFlags(builder, kind, base.raw, &raw mut index, 1, NO_NAME, flags)
        })
    }

    /// The address of field `nth` of the struct at `base`.
    pub(super) fn field(&self, kind: StructType<'ctx>, base: Value<'ctx>, nth: u32) -> Value<'ctx> {
        let (builder, kind) = (self.builder.as_mut_ptr(), kind.as_type_ref());
        // SAFETY: the struct has so many fields.
        Value::new(unsafe { llvm::LLVMBuildStructGEP2(builder, kind, base.raw, nth, NO_NAME) })
    }

    /// A merge of values that come from several blocks.
    pub(super) fn phi(&self, from: &[(Value<'ctx>, BasicBlock<'ctx>)], called: &str) -> Value<'ctx> {
        let called = name(called);
        // SAFETY: every value has the type of the first.
        let phi =
            Value::new(unsafe { llvm::LLVMBuildPhi(self.builder.as_mut_ptr(), from[0].0.type_ref(), called.as_ptr()) });
        self.add_incoming(phi, from);
        phi
    }

    /// Adds ways into a phi.
    pub(super) fn add_incoming(&self, phi: Value<'ctx>, from: &[(Value<'ctx>, BasicBlock<'ctx>)]) {
        let mut values: Vec<_> = from.iter().map(|(value, _)| value.raw).collect();
        let mut blocks: Vec<_> = from.iter().map(|(_, block)| block.as_mut_ptr()).collect();
        // SAFETY: `phi` is one, and the lists are as long as the count says.
        unsafe { llvm::LLVMAddIncoming(phi.raw, values.as_mut_ptr(), blocks.as_mut_ptr(), values.len() as u32) };
    }

    /// Calls a function.
    pub(super) fn call(&self, function: FunctionValue<'ctx>, args: &[Value<'ctx>]) -> Value<'ctx> {
        let mut args: Vec<_> = args.iter().map(|arg| arg.raw).collect();
        let (kind, callee) = (function.get_type().as_type_ref(), function.as_value_ref());
        let (builder, count) = (self.builder.as_mut_ptr(), args.len() as u32);
        // SAFETY: the function's type goes with it; the list is as long as the count says.
        Value::new(unsafe { llvm::LLVMBuildCall2(builder, kind, callee, args.as_mut_ptr(), count, NO_NAME) })
    }

    /// Calls the intrinsic `llvm.NAME`, overloaded for the types of the values in `over`.
    pub(super) fn intrinsic(
        &self,
        module: &Module<'ctx>,
        called: &str,
        over: &[Value<'ctx>],
        args: &[Value<'ctx>],
    ) -> Value<'ctx> {
        let types: Vec<_> = over.iter().map(|value| value.type_ref()).collect();
        self.intrinsic_of(module, called, types, args)
    }

    /// Calls a conversion intrinsic: overloaded for the result, a scalar type in the operand's lanes, then the operand.
    pub(super) fn conversion(
        &self,
        module: &Module<'ctx>,
        called: &str,
        to: Scalar<'ctx>,
        value: Value<'ctx>,
    ) -> Value<'ctx> {
        self.intrinsic_of(module, called, vec![value.shaped(to), value.type_ref()], &[value])
    }

    /// Calls an intrinsic of one machine; operands are taken as the types that it has.
    pub(super) fn machine_intrinsic(&self, module: &Module<'ctx>, called: &str, args: &[Value<'ctx>]) -> Value<'ctx> {
        let builder = self.builder.as_mut_ptr();
        // SAFETY: the lists are as long as their counts say, the intrinsic is one that LLVM has, and its operands are
        // vectors of as many bits as those given.
        Value::new(unsafe {
            let id = llvm::LLVMLookupIntrinsicID(called.as_ptr().cast(), called.len());
            assert!(id != 0, "LLVM has no intrinsic `{called}`");
            let callee = llvm::LLVMGetIntrinsicDeclaration(module.as_mut_ptr(), id, std::ptr::null_mut(), 0);
            let kind = llvm::LLVMGlobalGetValueType(callee);
            let mut types = vec![std::ptr::null_mut(); args.len()];
            llvm::LLVMGetParamTypes(kind, types.as_mut_ptr());
            let cast =
                |(arg, kind): (&Value<'ctx>, LLVMTypeRef)| llvm::LLVMBuildBitCast(builder, arg.raw, kind, NO_NAME);
            let mut args: Vec<_> = args.iter().zip(types).map(cast).collect();
            llvm::LLVMBuildCall2(builder, kind, callee, args.as_mut_ptr(), args.len() as u32, NO_NAME)
        })
    }

    fn intrinsic_of(
        &self,
        module: &Module<'ctx>,
        called: &str,
        mut types: Vec<LLVMTypeRef>,
        args: &[Value<'ctx>],
    ) -> Value<'ctx> {
        let mut args: Vec<_> = args.iter().map(|arg| arg.raw).collect();
        // SAFETY: the lists are as long as their counts say, and the intrinsic is one that LLVM has.
        Value::new(unsafe {
            let id = llvm::LLVMLookupIntrinsicID(called.as_ptr().cast(), called.len());
            assert!(id != 0, "LLVM has no intrinsic `{called}`");
            let callee = llvm::LLVMGetIntrinsicDeclaration(module.as_mut_ptr(), id, types.as_mut_ptr(), types.len());
            let kind = llvm::LLVMGlobalGetValueType(callee);
            llvm::LLVMBuildCall2(self.builder.as_mut_ptr(), kind, callee, args.as_mut_ptr(), args.len() as u32, NO_NAME)
        })
    }

    /// Goes to `to`.
    pub(super) fn jump(&self, to: BasicBlock<'ctx>) {
        // SAFETY: the block belongs to this function.
        unsafe { llvm::LLVMBuildBr(self.builder.as_mut_ptr(), to.as_mut_ptr()) };
    }

    /// Goes to `then` where `cond` holds, else to `otherwise`; gives the branch.
    pub(super) fn branch(&self, cond: Value<'ctx>, then: BasicBlock<'ctx>, otherwise: BasicBlock<'ctx>) -> Value<'ctx> {
        let builder = self.builder.as_mut_ptr();
        // SAFETY: the blocks belong to this function.
        Value::new(unsafe { llvm::LLVMBuildCondBr(builder, cond.raw, then.as_mut_ptr(), otherwise.as_mut_ptr()) })
    }

    /// Returns.
    pub(super) fn ret(&self, value: Option<Value<'ctx>>) {
        // SAFETY: the value has the function's type.
        unsafe {
            match value {
                Some(value) => llvm::LLVMBuildRet(self.builder.as_mut_ptr(), value.raw),
                None => llvm::LLVMBuildRetVoid(self.builder.as_mut_ptr()),
            }
        };
    }

    /// The block in which the builder stands.
    pub(super) fn block(&self) -> BasicBlock<'ctx> {
        self.builder.get_insert_block().expect("the builder stands in a block")
    }

    /// Continues in `block`.
    pub(super) fn enter(&self, block: BasicBlock<'ctx>) {
        self.builder.position_at_end(block);
    }
}
