//! Tensors as people write them on a command line and keep them in files.
//!
//! [`input`] understands `-i NAME=…`, [`npy`] reads and writes NumPy's files. What a tensor is stands in `core`.

pub(crate) mod input;
pub(crate) mod npy;
