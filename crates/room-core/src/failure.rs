//! Why an entry or a request was not followed: it was refused, or the store failed under it.

use protocol::codes::ErrorCode;
use protocol::fields::FieldError;
use protocol::frame::Refusal;
use protocol::http::refusal_text;

use crate::storage::StorageError;

/// Why something was not done. A refusal concerns one entry; a failing store everything the input wanted.
#[derive(Debug)]
pub(crate) enum Failure {
    Refused(Refusal),
    Storage(StorageError),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<FieldError> for Failure {
    fn from(error: FieldError) -> Self {
        Self::Refused(error.into())
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(refusal) => refusal,
            Failure::Storage(error) => storage_refusal(error),
        }
    }
}

/// A refusal with the code's own sentence.
pub(crate) fn refuse(code: ErrorCode) -> Refusal {
    Refusal::new(code, refusal_text(code))
}

/// What whoever asked is told when the store failed.
pub(crate) fn storage_refusal(error: StorageError) -> Refusal {
    refuse(match error {
        StorageError::Full => ErrorCode::StorageFull,
        StorageError::Broken => ErrorCode::Internal,
    })
}
