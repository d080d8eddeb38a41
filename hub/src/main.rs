//! The binary `domovoi`: everything is in the library.

fn main() -> std::process::ExitCode {
    domovoi::cli::main()
}
