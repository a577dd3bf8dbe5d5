//! The tensor types of ggml: their names and sizes, and which of them candle computes with.
//!
//! One table; numbers and block sizes are those of `enum ggml_type` and `ggml.c` in
//! <https://github.com/ggml-org/ggml>. It does not touch data.

/// How the elements of a tensor are stored.
#[derive(Debug, PartialEq, Eq)]
pub struct TensorType {
    /// The number in the file.
    pub id: u32,
    /// The name that llama.cpp gives it, such as `Q8_0`.
    pub name: &'static str,
    /// Elements that are stored together.
    pub block: u64,
    /// Bytes of one block.
    pub block_bytes: u64,
    /// Can candle compute with it?
    pub runs: bool,
}

impl TensorType {
    /// Bytes that a tensor of these dimensions takes; `None` when its rows are no whole blocks or the size overflows.
    pub fn bytes(&self, dims: &[u64]) -> Option<u64> {
        let row = *dims.first()?;
        if row % self.block != 0 {
            return None;
        }
        let elements = dims.iter().try_fold(1_u64, |product, dim| product.checked_mul(*dim))?;
        (elements / self.block).checked_mul(self.block_bytes)
    }
}

/// The type with that number in a file.
pub fn tensor_type(id: u32) -> Option<&'static TensorType> {
    TYPES.iter().find(|kind| kind.id == id)
}

/// The name of a `general.file_type` number (`enum llama_ftype`).
pub fn file_type(id: u64) -> Option<&'static str> {
    FILE_TYPES.iter().find(|(number, _)| *number == id).map(|(_, name)| *name)
}

const fn runs(id: u32, name: &'static str, block: u64, block_bytes: u64) -> TensorType {
    TensorType { id, name, block, block_bytes, runs: true }
}

const fn unknown_to_candle(id: u32, name: &'static str, block: u64, block_bytes: u64) -> TensorType {
    TensorType { id, name, block, block_bytes, runs: false }
}

static TYPES: &[TensorType] = &[
    runs(0, "F32", 1, 4),
    runs(1, "F16", 1, 2),
    runs(2, "Q4_0", 32, 18),
    runs(3, "Q4_1", 32, 20),
    runs(6, "Q5_0", 32, 22),
    runs(7, "Q5_1", 32, 24),
    runs(8, "Q8_0", 32, 34),
    runs(9, "Q8_1", 32, 36),
    runs(10, "Q2_K", 256, 84),
    runs(11, "Q3_K", 256, 110),
    runs(12, "Q4_K", 256, 144),
    runs(13, "Q5_K", 256, 176),
    runs(14, "Q6_K", 256, 210),
    runs(15, "Q8_K", 256, 292),
    unknown_to_candle(16, "IQ2_XXS", 256, 66),
    unknown_to_candle(17, "IQ2_XS", 256, 74),
    unknown_to_candle(18, "IQ3_XXS", 256, 98),
    unknown_to_candle(19, "IQ1_S", 256, 50),
    unknown_to_candle(20, "IQ4_NL", 32, 18),
    unknown_to_candle(21, "IQ3_S", 256, 110),
    unknown_to_candle(22, "IQ2_S", 256, 82),
    unknown_to_candle(23, "IQ4_XS", 256, 136),
    unknown_to_candle(24, "I8", 1, 1),
    unknown_to_candle(25, "I16", 1, 2),
    unknown_to_candle(26, "I32", 1, 4),
    unknown_to_candle(27, "I64", 1, 8),
    unknown_to_candle(28, "F64", 1, 8),
    unknown_to_candle(29, "IQ1_M", 256, 56),
    runs(30, "BF16", 1, 2),
    unknown_to_candle(34, "TQ1_0", 256, 54),
    unknown_to_candle(35, "TQ2_0", 256, 66),
    unknown_to_candle(39, "MXFP4", 32, 17),
];

static FILE_TYPES: &[(u64, &str)] = &[
    (0, "F32"),
    (1, "F16"),
    (2, "Q4_0"),
    (3, "Q4_1"),
    (7, "Q8_0"),
    (8, "Q5_0"),
    (9, "Q5_1"),
    (10, "Q2_K"),
    (11, "Q3_K_S"),
    (12, "Q3_K_M"),
    (13, "Q3_K_L"),
    (14, "Q4_K_S"),
    (15, "Q4_K_M"),
    (16, "Q5_K_S"),
    (17, "Q5_K_M"),
    (18, "Q6_K"),
    (19, "IQ2_XXS"),
    (20, "IQ2_XS"),
    (21, "Q2_K_S"),
    (22, "IQ3_XS"),
    (23, "IQ3_XXS"),
    (24, "IQ1_S"),
    (25, "IQ4_NL"),
    (26, "IQ3_S"),
    (27, "IQ3_M"),
    (28, "IQ2_S"),
    (29, "IQ2_M"),
    (30, "IQ4_XS"),
    (31, "IQ1_M"),
    (32, "BF16"),
    (36, "TQ1_0"),
    (37, "TQ2_0"),
    (38, "MXFP4"),
];
