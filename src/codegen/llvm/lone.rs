//! Masked stores that are known to store one lane become plain stores of that lane.
//!
//! ```text
//! call @llvm.masked.store(<16 x i8> %v, ptr %q, <true, false, …>)     ==>     store i8 (lane 0 of %v), ptr %q
//! ```
//!
//! Takes an optimised module, where conditions are known as far as they ever will be, and changes it in place. It stores
//! the same; LLVM 22 would do it itself for x86, but where the lanes were made narrower just before, it stores the lane
//! as it was before that, over the elements behind it.

#![expect(unsafe_code, reason = "constant lanes can be asked for in LLVM's C interface alone")]

use inkwell::llvm_sys::core as llvm;
use inkwell::module::Module;
use inkwell::types::BasicTypeEnum;
use inkwell::values::{
    AsValueRef, BasicValueEnum, CallSiteValue, FunctionValue, InstructionOpcode, InstructionValue, Operand, VectorValue,
};

/// The pass.
pub(super) fn lone_lanes(module: &Module<'_>) {
    for block in module.get_functions().flat_map(FunctionValue::get_basic_blocks) {
        let mut next = block.get_first_instruction();
        while let Some(call) = next {
            next = call.get_next_instruction();
            if let Some(lane) = lone_lane(call) {
                store_lane(module, call, lane);
            }
        }
    }
}

/// The lane that a masked store is known to store.
fn lone_lane(call: InstructionValue<'_>) -> Option<u32> {
    if call.get_opcode() != InstructionOpcode::Call {
        return None;
    }
    let callee = CallSiteValue::try_from(call).ok()?.get_called_fn_value()?;
    if !callee.get_name().to_bytes().starts_with(b"llvm.masked.store.") {
        return None;
    }
    let BasicValueEnum::VectorValue(mask) = call.get_operand(2)?.value()? else { return None };
    let mut on = (0..mask.get_type().get_size()).filter(|&lane| is_on(mask, lane).unwrap_or(true));
    let is_known = (0..mask.get_type().get_size()).all(|lane| is_on(mask, lane).is_some());
    on.next().filter(|_| is_known && on.next().is_none())
}

/// Whether a lane of a mask is on, if that is known.
fn is_on(mask: VectorValue<'_>, lane: u32) -> Option<bool> {
    // SAFETY: a vector, and a lane that it has; the answer is null or a constant of the lane's type.
    unsafe {
        if llvm::LLVMIsConstant(mask.as_value_ref()) == 0 {
            return None;
        }
        let element = llvm::LLVMGetAggregateElement(mask.as_value_ref(), lane);
        let is_number = !element.is_null() && !llvm::LLVMIsAConstantInt(element).is_null();
        is_number.then(|| llvm::LLVMConstIntGetZExtValue(element) != 0)
    }
}

fn store_lane(module: &Module<'_>, call: InstructionValue<'_>, lane: u32) {
    let operand = |number| call.get_operand(number).and_then(Operand::value);
    let (Some(BasicValueEnum::VectorValue(value)), Some(BasicValueEnum::PointerValue(to))) = (operand(0), operand(1))
    else {
        return;
    };
    let context = module.get_context();
    let builder = context.create_builder();
    builder.position_before(&call);
    let element = value.get_type().get_element_type();
    let (lane, index) = (context.i32_type().const_int(u64::from(lane), false), u64::from(lane));
    let index = context.i64_type().const_int(index, false);
    // SAFETY: a place where the masked store stores, too.
    let made = unsafe { builder.build_in_bounds_gep(element, to, &[index], "") };
    let stored = made.and_then(|at| {
        let one = builder.build_extract_element(value, lane, "")?;
        builder.build_store(at, one)
    });
    let store = stored.expect("the builder has a place, and the types are right");
    // What an element asks for: all that is known of a lane's place.
    let bytes = match element {
        BasicTypeEnum::IntType(kind) => kind.get_bit_width() / 8,
        BasicTypeEnum::FloatType(kind) => kind.get_bit_width() / 8,
        _ => 1,
    };
    store.set_alignment(bytes.max(1)).expect("a power of two");
    call.erase_from_basic_block();
}
