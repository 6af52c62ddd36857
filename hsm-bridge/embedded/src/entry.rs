//! The entry points of the module, as C calls them: they hand the token's own lists of functions out.
#![expect(
    unsafe_code,
    reason = "the loader finds a PKCS#11 module's entry points by their names"
)]

use kryoptic_lib::fns::general::{fn_get_function_list, fn_get_interface, fn_get_interface_list};
use kryoptic_lib::pkcs11::{
    CK_FLAGS, CK_FUNCTION_LIST_PTR_PTR, CK_INTERFACE_PTR, CK_INTERFACE_PTR_PTR, CK_RV,
    CK_ULONG_PTR, CK_UTF8CHAR_PTR, CK_VERSION_PTR,
};

/// Gives the functions of PKCS#11 2.40 (§5.4 there).
///
/// # Safety
///
/// `list` is null or points to room for one pointer.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_GetFunctionList(list: CK_FUNCTION_LIST_PTR_PTR) -> CK_RV {
    fn_get_function_list(list)
}

/// Gives the functions of one interface, the newest when none is named (PKCS#11 3.2 §5.4).
///
/// # Safety
///
/// `name` and `version` are null or point to one; `interface` is null or points to room for one pointer.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_GetInterface(
    name: CK_UTF8CHAR_PTR,
    version: CK_VERSION_PTR,
    interface: CK_INTERFACE_PTR_PTR,
    flags: CK_FLAGS,
) -> CK_RV {
    fn_get_interface(name, version, interface, flags)
}

/// Lists the interfaces (PKCS#11 3.2 §5.4).
///
/// # Safety
///
/// `count` is null or points to one number; `list` is null or has room for as many interfaces as that says.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_GetInterfaceList(
    list: CK_INTERFACE_PTR,
    count: CK_ULONG_PTR,
) -> CK_RV {
    fn_get_interface_list(list, count)
}
