//! Tensors as people write them on a command line and keep them in files.
//!
//! [`input`] understands `-i NAME=…`. NumPy's files are the desk's affair too and stand there; what a tensor is stands in
//! `core`.

pub(crate) mod input;
