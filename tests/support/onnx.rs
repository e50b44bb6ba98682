//! ONNX files written by hand, sound ones and others: the few messages of `onnx.proto` that a small graph needs.

/// Element types.
pub const F32: u64 = 1;
pub const I64: u64 = 7;
pub const BOOL: u64 = 9;
pub const F64: u64 = 11;

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A field that holds a number; below zero as protobuf has it.
pub fn number(field: u64, value: i64) -> Vec<u8> {
    [varint(field << 3), varint(value as u64)].concat()
}

/// A field that holds bytes: a text or a message.
pub fn bytes(field: u64, inside: &[u8]) -> Vec<u8> {
    [&varint(field << 3 | 2)[..], &varint(inside.len() as u64), inside].concat()
}

pub fn text(field: u64, text: &str) -> Vec<u8> {
    bytes(field, text.as_bytes())
}

/// A tensor with its values as raw bytes.
pub fn tensor(name: &str, element: u64, sides: &[i64], raw: &[u8]) -> Vec<u8> {
    let sides: Vec<u8> = sides.iter().flat_map(|side| number(1, *side)).collect();
    [sides, number(2, element as i64), text(8, name), bytes(9, raw)].concat()
}

pub fn floats(name: &str, sides: &[i64], values: &[f32]) -> Vec<u8> {
    let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    tensor(name, F32, sides, &raw)
}

pub fn integers(name: &str, values: &[i64]) -> Vec<u8> {
    let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    tensor(name, I64, &[values.len() as i64], &raw)
}

/// A tensor of no axis.
pub fn single(name: &str, element: u64, raw: &[u8]) -> Vec<u8> {
    tensor(name, element, &[], raw)
}

/// What a graph takes or gives; a side below zero is open.
pub fn outlet(name: &str, element: u64, sides: &[i64]) -> Vec<u8> {
    let side = |side: &i64| bytes(1, &if *side < 0 { text(2, "open") } else { number(1, *side) });
    let shape: Vec<u8> = sides.iter().flat_map(side).collect();
    let tensor = [number(1, element as i64), bytes(2, &shape)].concat();
    [text(1, name), bytes(2, &bytes(1, &tensor))].concat()
}

pub fn node(operator: &str, from: &[&str], to: &[&str], attributes: &[Vec<u8>]) -> Vec<u8> {
    node_of("", operator, from, to, attributes)
}

pub fn node_of(domain: &str, operator: &str, from: &[&str], to: &[&str], attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut node: Vec<u8> = from.iter().flat_map(|name| text(1, name)).collect();
    node.extend(to.iter().flat_map(|name| text(2, name)));
    node.extend(text(4, operator));
    node.extend(attributes.iter().flat_map(|attribute| bytes(5, attribute)));
    if !domain.is_empty() {
        node.extend(text(7, domain));
    }
    node
}

pub fn whole(name: &str, value: i64) -> Vec<u8> {
    [text(1, name), number(3, value), number(20, 2)].concat()
}

pub fn wholes(name: &str, values: &[i64]) -> Vec<u8> {
    let values: Vec<u8> = values.iter().flat_map(|value| number(8, *value)).collect();
    [text(1, name), values, number(20, 7)].concat()
}

pub fn of_tensor(name: &str, tensor: &[u8]) -> Vec<u8> {
    [text(1, name), bytes(5, tensor), number(20, 4)].concat()
}

pub fn of_graph(name: &str, graph: &[u8]) -> Vec<u8> {
    [text(1, name), bytes(6, graph), number(20, 5)].concat()
}

/// What a graph is made of.
#[derive(Default, Clone)]
pub struct Graph {
    pub nodes: Vec<Vec<u8>>,
    pub values: Vec<Vec<u8>>,
    pub inputs: Vec<Vec<u8>>,
    pub outputs: Vec<Vec<u8>>,
}

impl Graph {
    pub fn written(&self) -> Vec<u8> {
        let Self { nodes, values, inputs, outputs } = self;
        let all = |field: u64, parts: &[Vec<u8>]| parts.iter().flat_map(|part| bytes(field, part)).collect::<Vec<u8>>();
        [all(1, nodes), text(2, "g"), all(5, values), all(11, inputs), all(12, outputs)].concat()
    }

    /// As a model of opset 17.
    pub fn model(&self) -> Vec<u8> {
        model(&self.written(), 8, 17, &[])
    }
}

pub fn model(graph: &[u8], format: i64, opset: i64, functions: &[Vec<u8>]) -> Vec<u8> {
    let opset = bytes(8, &[text(1, ""), number(2, opset)].concat());
    let own = if functions.is_empty() { Vec::new() } else { bytes(8, &[text(1, "own"), number(2, 1)].concat()) };
    let functions: Vec<u8> = functions.iter().flat_map(|function| bytes(25, function)).collect();
    [number(1, format), bytes(7, graph), opset, own, functions].concat()
}
