//! The daemon as the process tests start it: the hub's own command line, with `test-clock` built in.

fn main() -> std::process::ExitCode {
    domovoi::cli::main()
}
