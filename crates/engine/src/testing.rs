//! Writes tiny GGUF files for tests.

/// A GGUF file in the making.
#[derive(Clone, Default)]
pub(crate) struct Gguf {
    metadata: Vec<(String, Vec<u8>)>,
    tensors: Vec<(String, Vec<u64>, u32, Vec<u8>)>,
}

impl Gguf {
    pub(crate) fn text(mut self, key: &str, value: &str) -> Self {
        self.metadata.push((key.into(), [8_u32.to_le_bytes().to_vec(), text(value)].concat()));
        self
    }

    pub(crate) fn number(mut self, key: &str, value: u32) -> Self {
        self.metadata.push((key.into(), [4_u32.to_le_bytes(), value.to_le_bytes()].concat()));
        self
    }

    pub(crate) fn float(mut self, key: &str, value: f32) -> Self {
        self.metadata.push((key.into(), [6_u32.to_le_bytes(), value.to_le_bytes()].concat()));
        self
    }

    pub(crate) fn texts(mut self, key: &str, values: &[String]) -> Self {
        let head = [9_u32.to_le_bytes(), 8_u32.to_le_bytes()].concat();
        let values: Vec<u8> =
            [(values.len() as u64).to_le_bytes().to_vec(), values.iter().flat_map(|value| text(value)).collect()]
                .concat();
        self.metadata.push((key.into(), [head, values].concat()));
        self
    }

    /// A tensor of the type with that number, as bytes.
    pub(crate) fn raw(mut self, name: &str, dims: &[u64], kind: u32, data: Vec<u8>) -> Self {
        self.tensors.push((name.into(), dims.to_vec(), kind, data));
        self
    }

    /// An F32 tensor of small numbers that look random and are the same in every run.
    pub(crate) fn noise(self, name: &str, dims: &[u64]) -> Self {
        let mut state = name.bytes().fold(7_u64, |state, byte| state.wrapping_mul(31).wrapping_add(byte.into()));
        let values = (0..dims.iter().product::<u64>()).flat_map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 40) as f32 / 2_f32.powi(24) - 0.5).to_le_bytes()
        });
        let data = values.collect();
        self.raw(name, dims, 0, data)
    }

    pub(crate) fn ones(self, name: &str, len: u64) -> Self {
        self.raw(name, &[len], 0, (0..len).flat_map(|_| 1_f32.to_le_bytes()).collect())
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = [b"GGUF".to_vec(), 3_u32.to_le_bytes().to_vec()].concat();
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.metadata.len() as u64).to_le_bytes());
        for (key, value) in &self.metadata {
            out.extend(text(key));
            out.extend(value);
        }
        let mut offset = 0_u64;
        for (name, dims, kind, data) in &self.tensors {
            out.extend(text(name));
            out.extend((dims.len() as u32).to_le_bytes());
            out.extend(dims.iter().flat_map(|dim| dim.to_le_bytes()));
            out.extend(kind.to_le_bytes());
            out.extend(offset.to_le_bytes());
            offset += data.len().next_multiple_of(32) as u64;
        }
        for (_, _, _, data) in &self.tensors {
            out.resize(out.len().next_multiple_of(32), 0);
            out.extend(data);
        }
        out
    }
}

fn text(value: &str) -> Vec<u8> {
    [(value.len() as u64).to_le_bytes().as_slice(), value.as_bytes()].concat()
}
