// SPDX-License-Identifier: GPL-2.0-only
//! Tracepoints (`abi/trace.h`). One that is off is a no-op of five bytes.

#[cfg(CONFIG_TRACEPOINTS)]
use kernel::bindings::tracepoint;
use kernel::prelude::*;

/// The kernel's own macro for this looks for tracepoints among the kernel's
/// bindings; ours are here. The branch is the kernel's, from
/// `src/static_branch.rs.S`.
#[cfg(all(CONFIG_TRACEPOINTS, CONFIG_JUMP_LABEL))]
macro_rules! is_on {
    ($point:path) => {'on: {
        kernel::asm!(
            include!(env!("UB_STATIC_BRANCH"));
            l_yes = label { break 'on true },
            symb = sym $point,
            off = const core::mem::offset_of!(tracepoint, key),
            branch = const 0i32,
        );
        false
    }};
}

/// Without such branches the call finds out that nobody listens.
#[cfg(all(CONFIG_TRACEPOINTS, not(CONFIG_JUMP_LABEL)))]
macro_rules! is_on {
    ($point:path) => {
        true
    };
}

macro_rules! tracepoints {
    ($($(#[$attr:meta])* fn $name:ident($($arg:ident: $type:ty),*) = $point:ident, $call:ident;)*) => {
        // Only the tracepoint's key is looked at here; what bindgen made of a lock's class
        // in it is empty.
        #[cfg(CONFIG_TRACEPOINTS)]
        #[allow(improper_ctypes)]
        extern "C" {
            $(
                static $point: tracepoint;
                fn $call($($arg: $type),*);
            )*
        }

        $(
            $(#[$attr])*
            #[inline(always)]
            pub(crate) fn $name(given: impl FnOnce() -> ($($type,)*)) {
                #[cfg(CONFIG_TRACEPOINTS)]
                // SAFETY: The key is the tracepoint's own, and its functions may be called in
                // every context; strings end with a 0 and live for ever.
                unsafe {
                    if is_on!($point) {
                        let ($($arg,)*) = given();
                        $call($($arg),*);
                    }
                }
                #[cfg(not(CONFIG_TRACEPOINTS))]
                let _unused = given;
            }
        )*
    };
}

tracepoints! {
    /// A packet of so many bytes was taken.
    fn receive(len: c_uint) = __tracepoint_receive, rust_do_trace_receive;
    /// A key's hash, and the length of the text found.
    fn hit(hash: u64, len: c_uint) = __tracepoint_hit, rust_do_trace_hit;
    /// A key's hash, and 0.
    fn miss(hash: u64, len: c_uint) = __tracepoint_miss, rust_do_trace_miss;
    /// As for a hit.
    fn evict(hash: u64, len: c_uint) = __tracepoint_evict, rust_do_trace_evict;
    /// Why something was lost, in a word.
    fn drop_for(reason: *const c_char) = __tracepoint_drop, rust_do_trace_drop;
}

/// Something was dropped.
#[inline(always)]
pub(crate) fn lost(reason: impl FnOnce() -> &'static CStr) {
    drop_for(|| (reason().as_ptr().cast(),));
}
