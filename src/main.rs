//! The `ftc` binary: arguments in, exit code out.

fn main() -> std::process::ExitCode {
    ftc::cli::main()
}
