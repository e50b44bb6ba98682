//! What an ONNX file must not hold, found before the runtime sees it: the file's skeleton is walked, no value is read.
//!
//! - **Data outside the file.** It would not be covered by the digest, and its path is the author's choice.
//! - **Graphs inside graphs without end.** The runtime follows them by recursion.
//! - **Tensors that claim more values than the file has room for**, or more than a number can hold.
//!
//! Whether the graph makes sense is for the runtime to say, in a process that may die of it. The numbers are those of the
//! published `onnx.proto` (ONNX 1.16, IR version 10).

/// Graphs within graphs: `If` and `Loop` of real models reach three or four.
const MOST_NESTED: usize = 16;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OnnxFileError {
    #[error("it is no whole ONNX file: what begins at byte {0} does not end within it; copy it again")]
    Broken(usize),
    #[error("it is no ONNX model: it holds no graph")]
    NoGraph,
    #[error("it keeps values in another file; save it as one file (onnx.save with save_as_external_data=False)")]
    External,
    #[error("it nests graphs more than {MOST_NESTED} deep")]
    Nested,
    #[error("it holds a tensor of {0:?}: more values than the file has room for")]
    Tensor(Vec<u64>),
}

/// The messages of the format that lead to tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Message {
    Model,
    Training,
    Function,
    Graph,
    Node,
    Attribute,
    SparseTensor,
    Tensor,
}

impl Message {
    /// What a field of this message holds.
    const fn child(self, field: u64) -> Option<Self> {
        Some(match (self, field) {
            (Self::Model, 7) | (Self::Training, 1 | 2) | (Self::Attribute, 6 | 11) => Self::Graph,
            (Self::Model, 20) => Self::Training,
            (Self::Model, 25) => Self::Function,
            (Self::Graph, 1) | (Self::Function, 7) => Self::Node,
            (Self::Node, 5) | (Self::Function, 11) => Self::Attribute,
            (Self::Graph, 15) | (Self::Attribute, 22 | 23) => Self::SparseTensor,
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) | (Self::SparseTensor, 1 | 2) => Self::Tensor,
            _ => return None,
        })
    }
}

/// One field of a message.
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Fixed,
}

/// # Errors
/// [`OnnxFileError`] at the first thing that must not be there.
pub fn check(bytes: &[u8]) -> Result<(), OnnxFileError> {
    let mut graphs = 0;
    // Explicit, so that depth costs memory of ours and not the stack: message, its bytes, graphs round it.
    let mut open = vec![(Message::Model, bytes, 0_usize)];
    while let Some((message, inside, nested)) = open.pop() {
        let mut dims = Vec::new();
        let mut reader = Reader { whole: bytes, left: inside };
        while let Some((field, value)) = reader.next()? {
            match (message, field, &value) {
                (Message::Tensor, 1, Value::Number(side)) => dims.push(*side),
                (Message::Tensor, 1, Value::Bytes(packed)) => {
                    let mut packed = Reader { whole: bytes, left: packed };
                    while !packed.left.is_empty() {
                        dims.push(packed.varint()?);
                    }
                }
                (Message::Tensor, 13, _) | (Message::Tensor, 14, Value::Number(1)) => {
                    return Err(OnnxFileError::External);
                }
                _ => {}
            }
            if let (Some(child), Value::Bytes(inside)) = (message.child(field), value) {
                let nested = nested + usize::from(child == Message::Graph);
                if nested > MOST_NESTED {
                    return Err(OnnxFileError::Nested);
                }
                graphs += usize::from(child == Message::Graph);
                open.push((child, inside, nested));
            }
        }
        // Half a byte is the smallest element there is.
        let values = dims.iter().try_fold(1_u64, |product, side| product.checked_mul(*side));
        if message == Message::Tensor && values.is_none_or(|values| values / 2 > bytes.len() as u64) {
            return Err(OnnxFileError::Tensor(dims));
        }
    }
    if graphs == 0 { Err(OnnxFileError::NoGraph) } else { Ok(()) }
}

/// Fields of a protobuf message, one after the other.
struct Reader<'a> {
    whole: &'a [u8],
    left: &'a [u8],
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, OnnxFileError> {
        if self.left.is_empty() {
            return Ok(None);
        }
        let begins = self.left;
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Value::Number(self.varint()?),
            1 => self.take(8).map(|_| Value::Fixed)?,
            2 => {
                let length = self.varint()?;
                Value::Bytes(self.take(usize::try_from(length).unwrap_or(usize::MAX))?)
            }
            5 => self.take(4).map(|_| Value::Fixed)?,
            // Groups were given up before ONNX began, and there is no sixth and seventh kind.
            _ => return Err(self.broken(begins)),
        };
        Ok(Some((tag >> 3, value)))
    }

    fn varint(&mut self) -> Result<u64, OnnxFileError> {
        let mut value = 0;
        for (at, byte) in self.left.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                self.left = &self.left[at + 1..];
                return Ok(value);
            }
        }
        Err(self.broken(self.left))
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], OnnxFileError> {
        let (taken, left) = self.left.split_at_checked(count).ok_or_else(|| self.broken(self.left))?;
        self.left = left;
        Ok(taken)
    }

    /// `at`: a rest of the file. A part of a message may end before the file does.
    fn broken(&self, at: &[u8]) -> OnnxFileError {
        let place = (at.as_ptr() as usize).saturating_sub(self.whole.as_ptr() as usize);
        OnnxFileError::Broken(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> Vec<u8> {
        include_bytes!("../../models/pores-dog/model.onnx").to_vec()
    }

    /// A field with bytes; all lengths here are below 128 or of two bytes.
    fn field(number: u8, inside: &[u8]) -> Vec<u8> {
        let length = inside.len();
        let length = if length < 128 { vec![length as u8] } else { vec![length as u8 | 0x80, (length >> 7) as u8] };
        [&[number << 3 | 2][..], &length, inside].concat()
    }

    /// A model whose graph has one initialiser.
    fn with_tensor(tensor: &[u8]) -> Vec<u8> {
        field(7, &field(5, tensor))
    }

    #[test]
    fn our_own_model_is_sound_and_no_beginning_of_it_is() {
        assert_eq!(check(&ours()), Ok(()));
        let whole = (0..ours().len()).filter(|length| check(&ours()[..*length]).is_ok()).count();
        // Cut between two fields behind the graph it is still a model; the digest knows better.
        assert!(whole < 8, "{whole} beginnings were taken");
        assert_eq!(check(b""), Err(OnnxFileError::NoGraph));
        assert_eq!(check(b"not a model at all"), Err(OnnxFileError::Broken(0)));
    }

    #[test]
    fn data_elsewhere_is_refused_wherever_the_tensor_stands() {
        let elsewhere = [field(13, b"location"), vec![14 << 3, 1]];
        for tensor in &elsewhere {
            let attribute = field(5, tensor);
            for model in [
                with_tensor(tensor),
                field(7, &field(1, &field(5, &attribute))),
                field(7, &field(15, &field(1, tensor))),
                function(&attribute),
            ] {
                assert_eq!(check(&model), Err(OnnxFileError::External), "{model:x?}");
            }
        }
    }

    /// A model with one function: its number takes two bytes of tag.
    fn function(attribute: &[u8]) -> Vec<u8> {
        let inside = field(7, &field(5, attribute));
        [&[0xca, 0x01, inside.len() as u8][..], &inside].concat()
    }

    #[test]
    fn no_tensor_claims_more_than_the_file_holds() {
        let huge = [1 << 3, 0xff, 0xff, 0xff, 0xff, 0x7f];
        assert_eq!(check(&with_tensor(&huge)), Err(OnnxFileError::Tensor(vec![(1 << 35) - 1])));
        let overflowing: Vec<u8> = huge.iter().chain(&huge).copied().collect();
        assert!(matches!(check(&with_tensor(&overflowing)), Err(OnnxFileError::Tensor(dims)) if dims.len() == 2));
        // Packed, and one side that would be below zero.
        let below = field(1, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]);
        assert_eq!(check(&with_tensor(&below)), Err(OnnxFileError::Tensor(vec![u64::MAX])));
        assert_eq!(check(&with_tensor(&field(1, &[2, 2]))), Ok(()));
    }

    #[test]
    fn graphs_in_graphs_end_somewhere() {
        let nest = |depth: usize| {
            let mut graph = Vec::new();
            for _ in 1..depth {
                graph = field(1, &field(5, &field(6, &graph)));
            }
            check(&field(7, &graph))
        };
        assert_eq!(nest(MOST_NESTED), Ok(()));
        assert_eq!(nest(MOST_NESTED + 1), Err(OnnxFileError::Nested));
    }

    #[test]
    fn any_bytes_are_read_to_an_end() {
        let sound = ours();
        for at in 0..sound.len() {
            for bit in 0..8 {
                let mut bytes = sound.clone();
                bytes[at] ^= 1 << bit;
                let _ = check(&bytes);
            }
        }
    }
}
