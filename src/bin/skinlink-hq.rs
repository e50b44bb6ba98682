//! Headquarters' receiver; see [`skinlink::hq`].

fn main() -> std::process::ExitCode {
    skinlink::adapters::roots::ignore_system_roots();
    skinlink::hq::cli::main()
}
