// SPDX-License-Identifier: GPL-2.0-only
//! Hooks at the ingress of named devices, which may come and go.

use super::{
    bindings,
    hook::{entry_early, Hook, PRIORITY},
    net::Net,
};
use core::cell::UnsafeCell;
use kernel::{
    bindings::{net_device, notifier_block},
    error::to_result,
    prelude::*,
    sync::Arc,
    types::Opaque, //
};

/// A device's name, with the 0 that ends it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeviceName([u8; bindings::IFNAMSIZ as usize]);

impl DeviceName {
    /// Nothing when no device can have that name.
    pub(crate) fn new(name: &[u8]) -> Option<Self> {
        let mut bytes = [0; bindings::IFNAMSIZ as usize];
        let (_ending, room) = bytes.split_last_mut()?;
        room.get_mut(..name.len())?.copy_from_slice(name);
        (!name.is_empty()).then_some(Self(bytes))
    }

    fn is_of(&self, device: *const net_device) -> bool {
        // SAFETY: Called with a device that its notifier vouches for; the name ends with a 0.
        unsafe { bindings::ub_dev_has_name(device, self.0.as_ptr().cast()) }
    }
}

impl kernel::fmt::Display for DeviceName {
    fn fmt(&self, f: &mut kernel::fmt::Formatter<'_>) -> kernel::fmt::Result {
        self.0
            .iter()
            .take_while(|byte| **byte != 0)
            .try_for_each(|byte| write!(f, "{}", byte.escape_ascii()))
    }
}

/// The hook for one name.
struct Post {
    name: DeviceName,
    /// Registered while its device is not null.
    ops: Opaque<bindings::nf_hook_ops>,
    device: *mut net_device,
}

/// What the notifier reaches.
///
/// # Invariants
///
/// Stays where it is. `posts` is used only with the RTNL held.
#[repr(C)]
struct Watch {
    // First: its address is the watch's.
    notifier: Opaque<notifier_block>,
    net: Net,
    posts: UnsafeCell<KVec<Post>>,
}

/// The ingress hooks of devices, by name: a device that appears under one of
/// the names is hooked, and one that goes is let go. Until this is dropped.
///
/// # Invariants
///
/// The notifier is registered, and the `priv` of each post's hook is `target`.
pub(crate) struct DeviceHooks<H: Hook> {
    watch: KBox<Watch>,
    _target: Arc<H>,
}

// SAFETY: The watch is used under the RTNL alone.
unsafe impl<H: Hook> Send for DeviceHooks<H> {}
// SAFETY: As above.
unsafe impl<H: Hook> Sync for DeviceHooks<H> {}

impl<H: Hook> DeviceHooks<H> {
    /// Has `target` see what arrives on the devices of these names. May sleep.
    pub(crate) fn register(net: Net, names: &[DeviceName], target: Arc<H>) -> Result<Self> {
        let mut posts = KVec::with_capacity(names.len(), GFP_KERNEL)?;
        for &name in names {
            let post = Post {
                name,
                ops: Opaque::new(ops(&target)),
                device: core::ptr::null_mut(),
            };
            posts.push(post, GFP_KERNEL)?;
        }
        let watch = Watch {
            notifier: Opaque::new(notifier_block {
                notifier_call: Some(changed),
                ..Default::default()
            }),
            net,
            posts: UnsafeCell::new(posts),
        };
        let watch = KBox::new(watch, GFP_KERNEL)?;
        // SAFETY: The namespace is alive, and the watch stays where it is until unregistered. The
        // kernel tells of the devices that are there already before this returns.
        to_result(unsafe {
            bindings::register_netdevice_notifier_net(net.as_ptr(), watch.notifier.get())
        })?;
        // INVARIANT: Registered; `_target` keeps what `priv` points to.
        Ok(Self {
            watch,
            _target: target,
        })
    }

    /// Calls `each` with the names that have no device at the moment.
    pub(crate) fn missing(&self, mut each: impl FnMut(&DeviceName)) {
        // SAFETY: The caller, which loads the module, holds no lock of the network's.
        unsafe { bindings::rtnl_lock() };
        // SAFETY: With the RTNL held nobody else uses the posts.
        let posts = unsafe { &*self.watch.posts.get() };
        for post in posts.iter().filter(|post| post.device.is_null()) {
            each(&post.name);
        }
        // SAFETY: Taken above.
        unsafe { bindings::rtnl_unlock() };
    }
}

impl<H: Hook> Drop for DeviceHooks<H> {
    fn drop(&mut self) {
        // SAFETY: Registered by the type invariant. The kernel tells the notifier that each device
        // goes, which takes the hooks out; afterwards no new packet comes, and synchronize_net()
        // waits for those that are under way.
        unsafe {
            bindings::unregister_netdevice_notifier_net(
                self.watch.net.as_ptr(),
                self.watch.notifier.get(),
            );
            bindings::synchronize_net();
        }
    }
}

fn ops<H: Hook>(target: &Arc<H>) -> bindings::nf_hook_ops {
    bindings::nf_hook_ops {
        hook: Some(entry_early::<H>),
        priv_: Arc::as_ptr(target).cast_mut().cast(),
        pf: bindings::NFPROTO_NETDEV as u8,
        hooknum: bindings::nf_dev_hooks_NF_NETDEV_INGRESS,
        priority: PRIORITY,
        ..Default::default()
    }
}

/// A device has come, is going, or something else.
///
/// # Safety
///
/// Called by the kernel, with the RTNL held, for the notifier of a [`Watch`].
unsafe extern "C" fn changed(
    notifier: *mut notifier_block,
    event: c_ulong,
    info: *mut c_void,
) -> c_int {
    const NOTIFY_DONE: c_int = 0;
    const REGISTER: c_ulong = bindings::netdev_cmd_NETDEV_REGISTER as c_ulong;
    const UNREGISTER: c_ulong = bindings::netdev_cmd_NETDEV_UNREGISTER as c_ulong;
    if event != REGISTER && event != UNREGISTER {
        return NOTIFY_DONE;
    }
    // SAFETY: The notifier is the first thing in a watch, which outlives its registration, and
    // the RTNL makes the posts ours. The device is valid for the time of the call.
    unsafe {
        let watch = notifier.cast::<Watch>();
        let net = (*watch).net;
        let posts = &mut *(*watch).posts.get();
        let device = bindings::ub_notified_dev(info);
        for post in posts.iter_mut() {
            if event == REGISTER && post.device.is_null() && post.name.is_of(device) {
                post.take(net, device);
            } else if event == UNREGISTER && post.device == device {
                post.leave(net);
            }
        }
    }
    NOTIFY_DONE
}

impl Post {
    /// # Safety
    ///
    /// The RTNL is held; `device` is valid, in `net`, and will be told of as going before it is
    /// gone.
    unsafe fn take(&mut self, net: Net, device: *mut net_device) {
        let ops = self.ops.get();
        // SAFETY: Not registered now, so ours to write; then as promised by our caller.
        let err = unsafe {
            (*ops).dev = device;
            bindings::nf_register_net_hook(net.as_ptr(), ops)
        };
        match to_result(err) {
            Ok(()) => self.device = device,
            Err(err) => pr_err!("a device cannot be hooked: error {}\n", err.to_errno()),
        }
    }

    /// # Safety
    ///
    /// The RTNL is held; the post has a device, in `net`.
    unsafe fn leave(&mut self, net: Net) {
        // SAFETY: Registered, as the device shows. Packets that are in the hook need nothing of
        // it: the target lives on, and the device until they are through.
        unsafe { bindings::nf_unregister_net_hook(net.as_ptr(), self.ops.get()) };
        self.device = core::ptr::null_mut();
    }
}
