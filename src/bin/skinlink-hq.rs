//! Headquarters' receiver; see [`skinlink::hq`].

fn main() -> std::process::ExitCode {
    skinlink::hq::cli::main()
}
