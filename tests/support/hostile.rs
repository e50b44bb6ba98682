//! Model files that mean no good, or were made without thought. Each takes `x` [1, 1, 8, 8] and gives `y`, unless that is what
//! is wrong with it.

use super::onnx::{
    BOOL, F32, F64, Graph, I64, bytes, floats, integers, model, node, node_of, number, of_graph, of_tensor, outlet,
    single, tensor, text, whole, wholes,
};
use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
use std::{
    fs,
    path::{Path, PathBuf},
};

pub fn digest(bytes: &[u8]) -> String {
    hex::encode(openssl::sha::sha256(bytes))
}

/// A folder that claims to be the model in use, with this file in it.
pub fn folder_with(folder: &Path, file: &[u8]) -> PathBuf {
    let model = folder.join("pores-dog");
    fs::create_dir_all(&model).unwrap();
    let mut png = Vec::new();
    PngEncoder::new(&mut png).write_image(&[100; 192], 8, 8, ExtendedColorType::Rgb8).unwrap();
    let golden = "schema = 1\n[[output]]\nname = \"y\"\nshape = [1, 1, 8, 8]\nmean = 100.0\nmin = 99.9\nmax = 100.1\n\
                  tolerance = 0.1\n";
    let manifest = MANIFEST.replace("DIGEST", &digest(file));
    for (name, bytes) in
        [("model.onnx", file), ("g.png", &png), ("g.toml", golden.as_bytes()), ("manifest.toml", manifest.as_bytes())]
    {
        fs::write(model.join(name), bytes).unwrap();
    }
    model
}

const MANIFEST: &str = r#"
schema = 1
id = "pores-dog"
version = "6.6.6"
title = { zh = "毛孔", en = "Pores" }
file = "model.onnx"
sha256 = "DIGEST"
licence = "none"
provenance = "made by a test"
intended_use = "none"
[limits]
deadline_ms = 1500
memory_mib = 512
[input]
name = "x"
element = "f32"
layout = "nchw"
channels = "grey"
scale = [1.0]
offset = [0.0]
fit = "stretch"
width = 8
height = 8
[[output]]
name = "y"
kind = "map"
stride = 1
activation = "none"
[[score]]
metric = "pores"
output = "y"
reduce = "mean"
[accuracy]
measured_on = ""
note = ""
[[golden]]
name = "g"
input = "g.png"
expect = "g.toml"
"#;

/// A file, and words of the sentence by which it must be refused; several where the runtime has the word and any of them will do.
pub struct Hostile {
    pub what: &'static str,
    pub file: Vec<u8>,
    pub words: &'static [&'static str],
}

/// What the runtime itself says of a file that makes no sense.
const RUNTIME: &[&str] = &["is no usable model", "the model failed"];

const SIDES: &[i64] = &[1, 1, 8, 8];

/// `x` to `y` by the given nodes.
fn graph(nodes: Vec<Vec<u8>>) -> Graph {
    Graph { nodes, values: Vec::new(), inputs: vec![outlet("x", F32, SIDES)], outputs: vec![outlet("y", F32, SIDES)] }
}

/// The same with constants.
fn with(values: Vec<Vec<u8>>, nodes: Vec<Vec<u8>>) -> Graph {
    Graph { values, ..graph(nodes) }
}

/// What the others are set beside: gives back what it gets.
pub fn harmless() -> Vec<u8> {
    graph(vec![node("Identity", &["x"], &["y"], &[])]).model()
}

pub fn all() -> Vec<Hostile> {
    let sound = harmless();
    let mut random = fastrand::Rng::with_seed(4_711);
    let noise: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(4_096).collect();
    let cut = |length: usize| sound[..length].to_vec();
    let file = |what, file, words| Hostile { what, file, words };
    let open = |sides: &[i64]| Graph { outputs: vec![outlet("y", F32, sides)], ..graph(Vec::new()) };
    let mut all = vec![
        file("an empty file", Vec::new(), &["holds no graph"]),
        file("random bytes", noise, &["is no whole ONNX file"]),
        file("a text", b"this is not a model, it only says so".to_vec(), &["is no whole ONNX file"]),
        file("zeros", vec![0; 4_096], &["holds no graph"]),
        file("cut after a quarter", cut(sound.len() / 4), &["is no whole ONNX file"]),
        file("cut in the middle", cut(sound.len() / 2), &["is no whole ONNX file"]),
        file("cut before its last byte", cut(sound.len() - 1), &["is no whole ONNX file", "is no usable model"]),
        file("a graph of nothing", Graph::default().model(), &["is no usable model", "0 inputs"]),
        file("an operator nobody knows", graph(vec![node("Beautify", &["x"], &["y"], &[])]).model(), RUNTIME),
        file(
            "operators of somebody's own",
            graph(vec![node_of("com.example", "Identity", &["x"], &["y"], &[])]).model(),
            RUNTIME,
        ),
        file(
            "a version of the operators to come",
            model(&graph(vec![node("Identity", &["x"], &["y"], &[])]).written(), 8, 999, &[]),
            RUNTIME,
        ),
        file(
            "a version of the format to come",
            model(&graph(vec![node("Identity", &["x"], &["y"], &[])]).written(), 99, 17, &[]),
            RUNTIME,
        ),
    ];
    all.extend(wrong_tensors());
    all.extend(too_much());
    all.extend(without_end());
    all.extend(elsewhere());
    all.push(file(
        "a graph that bites its tail",
        graph(vec![
            node("Add", &["x", "b"], &["a"], &[]),
            node("Add", &["x", "a"], &["b"], &[]),
            node("Identity", &["b"], &["y"], &[]),
        ])
        .model(),
        RUNTIME,
    ));
    all.push(file(
        "two tensors of one name",
        graph(vec![node("Identity", &["x"], &["y"], &[]), node("Neg", &["x"], &["y"], &[])]).model(),
        RUNTIME,
    ));
    all.push(file(
        "numbers that are none",
        with(
            vec![floats("nothing", &[1], &[0.0])],
            vec![node("Div", &["x", "nothing"], &["d"], &[]), node("Sub", &["d", "d"], &["y"], &[])],
        )
        .model(),
        &["no number"],
    ));
    all.push(file(
        "a shape that is not the declared one",
        Graph {
            nodes: vec![node("Reshape", &["x", "to"], &["y"], &[])],
            values: vec![integers("to", &[1, 1, 4, 15])],
            ..open(&[-1, -1, -1, -1])
        }
        .model(),
        RUNTIME,
    ));
    all.push(file(
        "an output without values",
        Graph {
            nodes: vec![node("Slice", &["x", "from", "to"], &["y"], &[])],
            values: vec![integers("from", &[0]), integers("to", &[0])],
            ..open(&[-1, -1, -1, -1])
        }
        .model(),
        &["has the shape [0, 1, 8, 8]"],
    ));
    all.push(file(
        "a window that stands still",
        with(
            vec![floats("w", &[1, 1, 1, 1], &[1.0])],
            vec![node("Conv", &["x", "w"], &["y"], &[wholes("strides", &[0, 0])])],
        )
        .model(),
        &["is no usable model", "the model failed", "ended unexpectedly"],
    ));
    all
}

fn wrong_tensors() -> Vec<Hostile> {
    let file = |what, graph: Graph, words| Hostile { what, file: graph.model(), words };
    let identity = || graph(vec![node("Identity", &["x"], &["y"], &[])]);
    let cast = |to: u64| node("Cast", &["x"], &["y"], &[whole("to", to as i64)]);
    vec![
        file(
            "nothing goes in",
            Graph {
                nodes: vec![node("Identity", &["c"], &["y"], &[])],
                values: vec![floats("c", SIDES, &[0.5; 64])],
                inputs: Vec::new(),
                ..identity()
            },
            &["it has 0 inputs"],
        ),
        file(
            "two things go in",
            Graph {
                nodes: vec![node("Add", &["x", "z"], &["y"], &[])],
                inputs: vec![outlet("x", F32, SIDES), outlet("z", F32, SIDES)],
                ..identity()
            },
            &["it has 2 inputs (\"x\", \"z\")"],
        ),
        file(
            "doubles go in",
            Graph {
                nodes: vec![node("Cast", &["x"], &["y"], &[whole("to", F32 as i64)])],
                inputs: vec![outlet("x", F64, SIDES)],
                ..identity()
            },
            &["expected a tensor of four axes of f32"],
        ),
        file(
            "whole numbers come out",
            Graph { outputs: vec![outlet("y", I64, SIDES)], ..graph(vec![cast(I64)]) },
            &["is no tensor of f32"],
        ),
        file(
            "a tensor of two axes goes in",
            Graph { inputs: vec![outlet("x", F32, &[8, 8])], outputs: vec![outlet("y", F32, &[8, 8])], ..identity() },
            &["expected a tensor of four axes"],
        ),
        file(
            "sides whose product no number holds",
            Graph {
                inputs: vec![outlet("x", F32, &[1, 1, 1 << 40, 1 << 40])],
                outputs: vec![outlet("y", F32, &[1, 1, 1 << 40, 1 << 40])],
                ..identity()
            },
            &["is not the 8 × 8"],
        ),
        file(
            "a constant that claims more than there is",
            with(vec![tensor("c", F32, &[1 << 40, 1 << 40], &[0; 16])], vec![node("Add", &["x", "c"], &["y"], &[])]),
            &["more values than the file has room for"],
        ),
        file(
            "a constant that is shorter than it says",
            with(vec![tensor("c", F32, SIDES, &[0; 16])], vec![node("Add", &["x", "c"], &["y"], &[])]),
            RUNTIME,
        ),
        file(
            "more outputs than anyone reads",
            Graph {
                nodes: (0..2_000)
                    .map(|k| {
                        node("Identity", &["x"], &[if k == 0 { "y".to_owned() } else { format!("y{k}") }.as_str()], &[])
                    })
                    .collect(),
                outputs: (0..2_000)
                    .map(|k| outlet(&if k == 0 { "y".to_owned() } else { format!("y{k}") }, F32, SIDES))
                    .collect(),
                ..identity()
            },
            &["it gives 2000 tensors"],
        ),
    ]
}

/// What takes memory.
fn too_much() -> Vec<Hostile> {
    let file = |what, graph: Graph, words| Hostile { what, file: graph.model(), words };
    // The sum of a constant of so many values, added to what goes in.
    let summed = |made: Vec<u8>, values: Vec<Vec<u8>>| {
        with(
            values,
            vec![
                made,
                node("ReduceSum", &["big"], &["sum"], &[whole("keepdims", 0)]),
                node("Add", &["x", "sum"], &["y"], &[]),
            ],
        )
    };
    const MEMORY: &[&str] = &["is no usable model", "the model failed", "ended unexpectedly"];
    vec![
        file(
            "a constant of 2 GiB",
            summed(
                node("ConstantOfShape", &["sides"], &["big"], &[of_tensor("value", &floats("v", &[1], &[1.0]))]),
                vec![integers("sides", &[1, 1, 23_170, 23_171])],
            ),
            MEMORY,
        ),
        file(
            "one value spread over 256 GiB",
            summed(
                node("Expand", &["one", "sides"], &["big"], &[]),
                vec![floats("one", &[1], &[1.0]), integers("sides", &[1 << 18, 1 << 18])],
            ),
            MEMORY,
        ),
        file(
            "a shape whose product overflows",
            summed(
                node("Expand", &["one", "sides"], &["big"], &[]),
                vec![floats("one", &[1], &[1.0]), integers("sides", &[1 << 40, 1 << 40])],
            ),
            MEMORY,
        ),
        file(
            "what goes in, grown to 16 GiB",
            summed(node("Tile", &["x", "often"], &["big"], &[]), vec![integers("often", &[1, 1, 8_192, 8_192])]),
            MEMORY,
        ),
    ]
}

/// What takes time, or goes down without a bottom.
fn without_end() -> Vec<Hostile> {
    let always = single("always", BOOL, &[1]);
    let body = |inside: Vec<Vec<u8>>| Graph {
        nodes: [vec![node("Identity", &["go"], &["on"], &[])], inside].concat(),
        values: Vec::new(),
        inputs: vec![outlet("i", I64, &[]), outlet("go", BOOL, &[]), outlet("a", F32, SIDES)],
        outputs: vec![outlet("on", BOOL, &[]), outlet("b", F32, SIDES)],
    };
    let endless = body(vec![node("Neg", &["a"], &["b"], &[])]);
    let looped = |body: &Graph| {
        with(
            vec![single("most", I64, &i64::MAX.to_le_bytes()), always.clone()],
            vec![node("Loop", &["most", "always", "x"], &["y"], &[of_graph("body", &body.written())])],
        )
    };
    // Each round copies what it has to itself: twice as much every time.
    let growing = Graph {
        outputs: vec![outlet("on", BOOL, &[]), outlet("b", F32, &[-1, 1, 8, 8])],
        inputs: vec![outlet("i", I64, &[]), outlet("go", BOOL, &[]), outlet("a", F32, &[-1, 1, 8, 8])],
        ..body(vec![node("Concat", &["a", "a"], &["b"], &[whole("axis", 0)])])
    };
    let mut nested = Graph {
        outputs: vec![outlet("y", F32, SIDES)],
        nodes: vec![node("Identity", &["x"], &["y"], &[])],
        ..Graph::default()
    };
    for _ in 0..40 {
        let inner = nested.written();
        let branch =
            node("If", &["always"], &["y"], &[of_graph("then_branch", &inner), of_graph("else_branch", &inner)]);
        // Both branches would be two to the fortieth: one of them is always the short one.
        let short = Graph {
            outputs: vec![outlet("y", F32, SIDES)],
            nodes: vec![node("Identity", &["x"], &["y"], &[])],
            ..Graph::default()
        };
        let branch = if inner.len() > 4_000 {
            node(
                "If",
                &["always"],
                &["y"],
                &[of_graph("then_branch", &inner), of_graph("else_branch", &short.written())],
            )
        } else {
            branch
        };
        nested = Graph { outputs: vec![outlet("y", F32, SIDES)], nodes: vec![branch], ..Graph::default() };
    }
    let nested = Graph { values: vec![always.clone()], inputs: vec![outlet("x", F32, SIDES)], ..nested };
    // A function that is made of itself.
    let function = [
        text(1, "Again"),
        text(4, "p"),
        text(5, "q"),
        bytes(7, &node_of("own", "Again", &["p"], &["q"], &[])),
        bytes(9, &[text(1, "own"), number(2, 1)].concat()),
        text(10, "own"),
    ]
    .concat();
    let calls = graph(vec![node_of("own", "Again", &["x"], &["y"], &[])]);
    vec![
        Hostile { what: "a loop without end", file: looped(&endless).model(), words: &["took longer than its limit"] },
        Hostile {
            what: "a loop that grows without end",
            file: Graph { outputs: vec![outlet("y", F32, &[-1, 1, 8, 8])], ..looped(&growing) }.model(),
            words: &["is no usable model", "the model failed", "ended unexpectedly", "took longer"],
        },
        Hostile { what: "graphs in graphs", file: nested.model(), words: &["nests graphs more than 16 deep"] },
        Hostile {
            what: "a function made of itself",
            file: model(&calls.written(), 8, 17, &[function]),
            words: &["is no usable model", "ended unexpectedly", "took longer"],
        },
    ]
}

/// Values kept in other files.
fn elsewhere() -> Vec<Hostile> {
    let stored = |path: &str| {
        let entry = |key: &str, value: &str| bytes(13, &[text(1, key), text(2, value)].concat());
        let sides: Vec<u8> = SIDES.iter().flat_map(|side| number(1, *side)).collect();
        let constant = [
            sides,
            number(2, F32 as i64),
            text(8, "c"),
            entry("location", path),
            entry("length", "256"),
            number(14, 1),
        ]
        .concat();
        with(vec![constant], vec![node("Add", &["x", "c"], &["y"], &[])]).model()
    };
    let words = &["it keeps values in another file"];
    [
        ("values in the folder above", "../../config/gateway.toml"),
        ("values of the system", "/etc/passwd"),
        ("values beside it", "model.data"),
        ("values of a device", "/dev/zero"),
    ]
    .map(|(what, path)| Hostile { what, file: stored(path), words })
    .into()
}

/// Two that answer the golden picture as they must, and do harm on any other: one never ends, one takes 4 GiB.
pub fn sleepers() -> [Hostile; 2] {
    let always = single("always", BOOL, &[1]);
    let round = Graph {
        nodes: vec![node("Identity", &["go"], &["on"], &[]), node("Neg", &["a"], &["b"], &[])],
        values: Vec::new(),
        inputs: vec![outlet("i", I64, &[]), outlet("go", BOOL, &[]), outlet("a", F32, SIDES)],
        outputs: vec![outlet("on", BOOL, &[]), outlet("b", F32, SIDES)],
    };
    let branch = |nodes: Vec<Vec<u8>>| Graph { nodes, outputs: vec![outlet("y", F32, SIDES)], ..Graph::default() };
    let asleep = branch(vec![node("Identity", &["x"], &["y"], &[])]);
    let endless = branch(vec![node("Loop", &["most", "always", "x"], &["y"], &[of_graph("body", &round.written())])]);
    let greedy = branch(vec![
        node("Expand", &["one", "sides"], &["big"], &[]),
        node("ReduceSum", &["big"], &["sum"], &[whole("keepdims", 0)]),
        node("Add", &["x", "sum"], &["y"], &[]),
    ]);
    let woken = |by: &Graph| {
        let values = vec![
            always.clone(),
            single("most", I64, &i64::MAX.to_le_bytes()),
            single("golden", F32, &100.0_f32.to_le_bytes()),
            single("near", F32, &1.0_f32.to_le_bytes()),
            floats("one", &[1], &[1.0]),
            integers("sides", &[1 << 15, 1 << 15]),
        ];
        let branches = [of_graph("then_branch", &asleep.written()), of_graph("else_branch", &by.written())];
        let nodes = vec![
            node("ReduceMean", &["x"], &["mean"], &[whole("keepdims", 0)]),
            node("Sub", &["mean", "golden"], &["off"], &[]),
            node("Abs", &["off"], &["far"], &[]),
            node("Less", &["far", "near"], &["asleep"], &[]),
            node("If", &["asleep"], &["y"], &branches),
        ];
        with(values, nodes).model()
    };
    [
        Hostile {
            what: "one that never ends",
            file: woken(&endless),
            words: &["took longer than its limit of 1500 ms"],
        },
        Hostile { what: "one that takes 4 GiB", file: woken(&greedy), words: &["Failed to allocate memory"] },
    ]
}
