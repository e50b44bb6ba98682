//! The README keeps its word: the analyser in ten lines is a protocol file that loads.

use skinlink::protocol::Spec;

#[test]
fn the_analyser_in_ten_lines_loads() {
    let readme = include_str!("../README.md");
    let toml: Vec<&str> = readme.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let [file] = toml[..] else { panic!("the README shows one protocol file, found {}", toml.len()) };
    assert!(file.lines().count() <= 10, "ten lines were promised, there are {}", file.lines().count());
    let spec = Spec::parse("my-pen", file).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(spec.metrics[0].id.as_str(), "moisture");
}

/// Every command that the README names exists.
#[test]
fn every_command_of_the_table_is_understood() {
    use clap::CommandFactory;
    let commands = skinlink::cli::Cli::command();
    for row in include_str!("../README.md").lines().filter(|line| line.starts_with("| `skinlink ")) {
        let name = row.trim_start_matches("| `skinlink ").split([' ', '`']).next().unwrap_or_default();
        assert!(commands.find_subcommand(name).is_some(), "{row}");
    }
}
