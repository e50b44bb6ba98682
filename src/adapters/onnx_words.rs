//! What ONNX Runtime says of a fault, without its own places in its own source: `/…/file.cc:264 type name(types) what happened`.

/// One line for people.
pub(super) fn plain(text: &str) -> String {
    let mut left = text.split_whitespace().collect::<Vec<_>>().join(" ");
    while let Some((begins, ends)) = place(&left) {
        left.replace_range(begins..ends, "");
    }
    left.trim().to_owned()
}

/// From the path of a source file to the end of the function's name and types.
fn place(text: &str) -> Option<(usize, usize)> {
    let marks = [".cc:", ".h:", ".hpp:"];
    let (mark, length) = marks.iter().filter_map(|mark| Some((text.find(mark)?, mark.len()))).min()?;
    let begins = text[..mark].rfind(' ').map_or(0, |at| at + 1);
    let line = text[mark + length..].find(|c: char| !c.is_ascii_digit())? + mark + length;
    // A bare file name is followed by words of another form, which stay.
    if !text[begins..].starts_with('/') {
        return Some((begins, line));
    }
    let mut depth = 0_usize;
    for (at, c) in text[line..].char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth == 1 => {
                let ends = line + at + 1;
                let rest = &text[ends..];
                // `operator()` has its types behind a first pair; a method may be const.
                if rest.starts_with('(') {
                    depth = 0;
                    continue;
                }
                let rest = rest.strip_prefix(" const").unwrap_or(rest);
                return Some((begins, text.len() - rest.trim_start().len()));
            }
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    // A place without a function: the path and its line alone.
    Some((begins, line))
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn places_in_the_source_of_the_runtime_are_left_out() {
        for (told, plain_words) in [
            (
                "Non-zero status code returned while running Expand node. Name:'' Status Message: /onnxruntime_src/onnxruntime/core/framework/bfc_arena.cc:359 void* onnxruntime::BFCArena::AllocateRawInternal(size_t, bool, onnxruntime::Stream*) Failed to allocate memory for requested buffer of size 274877906944\n",
                "Non-zero status code returned while running Expand node. Name:'' Status Message: Failed to allocate memory for requested buffer of size 274877906944",
            ),
            (
                "/onnxruntime_src/onnxruntime/core/graph/model.cc:192 onnxruntime::Model::Model(onnx::ModelProto&&, const onnxruntime::PathString&) Unsupported model IR version: 99, max supported IR version: 13",
                "Unsupported model IR version: 99, max supported IR version: 13",
            ),
            (
                "Exception during initialization: /a/b.h:17 void f::operator()(int) const Integer overflow (64 bits)",
                "Exception during initialization: Integer overflow (64 bits)",
            ),
            (
                "tensorprotoutils.cc:1496 ValidateThis Initializer 'c': too short",
                "ValidateThis Initializer 'c': too short",
            ),
            ("the graph is not acyclic.", "the graph is not acyclic."),
        ] {
            assert_eq!(plain(told), plain_words);
        }
    }

    #[test]
    fn any_text_comes_to_an_end() {
        for text in ["", ".cc:", ".cc:1", "x.cc:1 f(", "x.cc:1 f(()) x.h:2 g() y.hpp:", "é.cc:9 ñ(ü) ö", "((.h:3))"]
        {
            let _ = plain(text);
        }
    }
}
