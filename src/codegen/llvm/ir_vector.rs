//! Building vectors: splats, shuffles, and memory accesses of several lanes.
//!
//! As in `ir`, each function is one instruction or nearly so; alignment is in bytes, and is that of an element unless
//! more is known.

#![expect(unsafe_code, reason = "LLVM's C interface, as in `ir`")]

use inkwell::attributes::Attribute;
use inkwell::llvm_sys::core as llvm;
use inkwell::llvm_sys::{LLVMGEPFlagInBounds, LLVMGEPFlagNUSW, LLVMGEPFlagNUW, LLVMOpcode};
use inkwell::module::Module;
use inkwell::types::AsTypeRef;

use super::ir::{Ir, NO_NAME, Scalar, Value, name};

/// A lane of the two operands of a shuffle, counted through both; none where anything will do.
pub(super) type Lane = Option<u32>;

/// Where a vector lies in memory.
#[derive(Clone, Copy)]
pub(super) struct Memory<'ctx> {
    /// One pointer, or one for each lane.
    pub(super) at: Value<'ctx>,
    /// The type of one element.
    pub(super) element: Scalar<'ctx>,
    /// In bytes.
    pub(super) align: u32,
}

#[expect(clippy::unused_self, reason = "constants are asked for as instructions are")]
impl<'ctx> Ir<'ctx> {
    /// A scalar in each of `lanes` lanes; a vector stays what it is.
    pub(super) fn splat(&self, value: Value<'ctx>, lanes: u32) -> Value<'ctx> {
        if value.lanes().is_some() {
            return value;
        }
        // SAFETY: a scalar constant, and a list as long as the count says.
        unsafe {
            if llvm::LLVMIsConstant(value.raw()) != 0 {
                let mut all = vec![value.raw(); lanes as usize];
                return Value::new(llvm::LLVMConstVector(all.as_mut_ptr(), lanes));
            }
            let poison = Value::new(llvm::LLVMGetPoison(llvm::LLVMVectorType(llvm::LLVMTypeOf(value.raw()), lanes)));
            let first = self.insert(poison, value, 0);
            self.shuffle(first, poison, &vec![Some(0); lanes as usize])
        }
    }

    /// Both operands with the lanes of the longer one.
    pub(super) fn alike(&self, a: Value<'ctx>, b: Value<'ctx>) -> (Value<'ctx>, Value<'ctx>) {
        match (a.lanes(), b.lanes()) {
            (Some(lanes), None) => (a, self.splat(b, lanes)),
            (None, Some(lanes)) => (self.splat(a, lanes), b),
            _ => (a, b),
        }
    }

    /// A vector of these integers.
    pub(super) fn ints(&self, scalar: Scalar<'ctx>, values: &[i64]) -> Value<'ctx> {
        let mut all: Vec<_> = values.iter().map(|&value| self.int_of(scalar, value).raw()).collect();
        // SAFETY: the list is as long as the count says.
        Value::new(unsafe { llvm::LLVMConstVector(all.as_mut_ptr(), all.len() as u32) })
    }

    /// Lanes of two vectors of one type.
    pub(super) fn shuffle(&self, a: Value<'ctx>, b: Value<'ctx>, lanes: &[Lane]) -> Value<'ctx> {
        let kind: Scalar<'ctx> = self.context.i32_type().into();
        // SAFETY: the list is as long as the count says; poison stands for lanes that nobody asks for.
        unsafe {
            let mut all: Vec<_> = lanes
                .iter()
                .map(|lane| match lane {
                    Some(lane) => self.int_of(kind, i64::from(*lane)).raw(),
                    None => llvm::LLVMGetPoison(kind.as_type_ref()),
                })
                .collect();
            let mask = llvm::LLVMConstVector(all.as_mut_ptr(), all.len() as u32);
            Value::new(llvm::LLVMBuildShuffleVector(self.builder.as_mut_ptr(), a.raw(), b.raw(), mask, NO_NAME))
        }
    }

    /// `lanes` neighbours, from lane `first` on.
    pub(super) fn part(&self, value: Value<'ctx>, first: u32, lanes: u32) -> Value<'ctx> {
        if value.lanes() == Some(lanes) {
            return value;
        }
        let chosen: Vec<_> = (first..first + lanes).map(Some).collect();
        self.shuffle(value, self.poison(value), &chosen)
    }

    /// As [`part`](Self::part), but what the value is made of is taken apart, too: what is constant in these lanes alone is
    /// then seen to be.
    pub(super) fn part_alone(&self, value: Value<'ctx>, first: u32, lanes: u32) -> Value<'ctx> {
        let (raw, builder) = (value.raw(), self.builder.as_mut_ptr());
        // SAFETY: operands are asked for of instructions only, and as many as they have; lanes are those of the value.
        unsafe {
            if llvm::LLVMIsAInstruction(raw).is_null() {
                return self.part(value, first, lanes);
            }
            let operand = |number| Value::new(llvm::LLVMGetOperand(raw, number));
            let part = |number| self.part_alone(operand(number), first, lanes).raw();
            match llvm::LLVMGetInstructionOpcode(raw) {
                op @ (LLVMOpcode::LLVMAnd
                | LLVMOpcode::LLVMOr
                | LLVMOpcode::LLVMXor
                | LLVMOpcode::LLVMAdd
                | LLVMOpcode::LLVMSub
                | LLVMOpcode::LLVMMul) => Value::new(llvm::LLVMBuildBinOp(builder, op, part(0), part(1), NO_NAME)),
                LLVMOpcode::LLVMICmp => {
                    Value::new(llvm::LLVMBuildICmp(builder, llvm::LLVMGetICmpPredicate(raw), part(0), part(1), NO_NAME))
                }
                LLVMOpcode::LLVMShuffleVector => {
                    let from = |lane| u32::try_from(llvm::LLVMGetMaskValue(raw, lane)).ok();
                    let all: Vec<_> = (first..first + lanes).map(from).collect();
                    self.shuffle(operand(0), operand(1), &all)
                }
                _ => self.part(value, first, lanes),
            }
        }
    }

    /// Vectors of one type, one behind another; as many as a power of two.
    pub(super) fn concat(&self, parts: &[Value<'ctx>]) -> Value<'ctx> {
        if let [one] = parts {
            return *one;
        }
        let (low, high) = parts.split_at(parts.len() / 2);
        let (low, high) = (self.concat(low), self.concat(high));
        let lanes = low.lanes().expect("parts are vectors") * 2;
        let all: Vec<_> = (0..lanes).map(Some).collect();
        self.shuffle(low, high, &all)
    }

    /// Poison of a value's type.
    pub(super) fn poison(&self, like: Value<'ctx>) -> Value<'ctx> {
        // SAFETY: a value has a type.
        Value::new(unsafe { llvm::LLVMGetPoison(llvm::LLVMTypeOf(like.raw())) })
    }

    /// A vector of scalars.
    pub(super) fn gathered(&self, scalars: &[Value<'ctx>]) -> Value<'ctx> {
        // SAFETY: a value has a type.
        let kind = unsafe { llvm::LLVMVectorType(llvm::LLVMTypeOf(scalars[0].raw()), scalars.len() as u32) };
        // SAFETY: a vector type has a poison.
        let empty = Value::new(unsafe { llvm::LLVMGetPoison(kind) });
        scalars.iter().enumerate().fold(empty, |vector, (lane, &scalar)| self.insert(vector, scalar, lane as u32))
    }

    /// One lane.
    pub(super) fn lane(&self, value: Value<'ctx>, lane: u32) -> Value<'ctx> {
        let index = self.int_of(self.context.i32_type().into(), i64::from(lane));
        let builder = self.builder.as_mut_ptr();
        // SAFETY: a vector, and a lane that it has.
        Value::new(unsafe { llvm::LLVMBuildExtractElement(builder, value.raw(), index.raw(), NO_NAME) })
    }

    fn insert(&self, vector: Value<'ctx>, value: Value<'ctx>, lane: u32) -> Value<'ctx> {
        let index = self.int_of(self.context.i32_type().into(), i64::from(lane));
        let builder = self.builder.as_mut_ptr();
        // SAFETY: a vector of the value's type, and a lane that it has.
        Value::new(unsafe { llvm::LLVMBuildInsertElement(builder, vector.raw(), value.raw(), index.raw(), NO_NAME) })
    }

    /// The address of an element that may be outside its array, if nobody goes there.
    pub(super) fn element_anywhere(&self, scalar: Scalar<'ctx>, base: Value<'ctx>, index: Value<'ctx>) -> Value<'ctx> {
        self.element_with(scalar, base, index, 0)
    }

    /// The address of element `index`, which is inside the array at `base`; `index` may be negative, if `base` is not
    /// the array's start.
    pub(super) fn neighbour(&self, scalar: Scalar<'ctx>, base: Value<'ctx>, index: Value<'ctx>) -> Value<'ctx> {
        self.element_with(scalar, base, index, LLVMGEPFlagInBounds | LLVMGEPFlagNUSW)
    }

    /// The address of an element that is inside, counted from the array's start.
    pub(super) fn element(&self, scalar: Scalar<'ctx>, base: Value<'ctx>, index: Value<'ctx>) -> Value<'ctx> {
        self.element_with(scalar, base, index, LLVMGEPFlagInBounds | LLVMGEPFlagNUSW | LLVMGEPFlagNUW)
    }

    /// Loads `lanes` neighbours.
    pub(super) fn load_lanes(&self, from: Memory<'ctx>, lanes: u32, called: &str) -> Value<'ctx> {
        let (builder, called) = (self.builder.as_mut_ptr(), name(called));
        // SAFETY: `from` is a pointer, and the type is a vector's.
        unsafe {
            let kind = llvm::LLVMVectorType(from.element.as_type_ref(), lanes);
            let value = llvm::LLVMBuildLoad2(builder, kind, from.at.raw(), called.as_ptr());
            llvm::LLVMSetAlignment(value, from.align);
            Value::new(value)
        }
    }

    /// Stores neighbours.
    pub(super) fn store_lanes(&self, value: Value<'ctx>, to: Memory<'ctx>) {
        // SAFETY: `to` is a pointer.
        unsafe {
            let store = llvm::LLVMBuildStore(self.builder.as_mut_ptr(), value.raw(), to.at.raw());
            llvm::LLVMSetAlignment(store, to.align);
        }
    }

    /// Loads the lanes that the mask chooses; the others are 0. From neighbours, or where each lane's pointer says.
    pub(super) fn load_masked(&self, module: &Module<'ctx>, from: Memory<'ctx>, mask: Value<'ctx>) -> Value<'ctx> {
        let called = if from.at.lanes().is_some() { "llvm.masked.gather" } else { "llvm.masked.load" };
        let lanes = mask.lanes().expect("a mask is a vector");
        // SAFETY: an element type.
        let zero = Value::new(unsafe { llvm::LLVMConstNull(llvm::LLVMVectorType(from.element.as_type_ref(), lanes)) });
        let value = self.intrinsic(module, called, &[zero, from.at], &[from.at, mask, zero]);
        self.align_argument(value, 1, from.align);
        value
    }

    /// Stores the lanes that the mask chooses.
    pub(super) fn store_masked(&self, module: &Module<'ctx>, value: Value<'ctx>, to: Memory<'ctx>, mask: Value<'ctx>) {
        let called = if to.at.lanes().is_some() { "llvm.masked.scatter" } else { "llvm.masked.store" };
        let call = self.intrinsic(module, called, &[value, to.at], &[value, to.at, mask]);
        self.align_argument(call, 2, to.align);
    }

    /// `nth` counts from 1.
    fn align_argument(&self, call: Value<'ctx>, nth: u32, align: u32) {
        let kind = Attribute::get_named_enum_kind_id("align");
        let attribute = self.context.create_enum_attribute(kind, u64::from(align));
        // SAFETY: a call that has so many arguments.
        unsafe { llvm::LLVMAddCallSiteAttribute(call.raw(), nth, attribute.as_mut_ptr()) };
    }
}
