//! Answers: what a method gives and the wire carries.

use std::borrow::Cow;

/// An error that a request is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RpcError {
    pub code: i32,
    pub name: Cow<'static, str>,
}

impl RpcError {
    pub(crate) const fn new(code: i32, name: &'static str) -> Self {
        Self { code, name: Cow::Borrowed(name) }
    }
}

/// What a request is answered with: a serialised result or an error.
pub(crate) type Answer = Result<Vec<u8>, RpcError>;
