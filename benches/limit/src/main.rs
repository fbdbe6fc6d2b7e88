//! The floor that caches are measured against, and the origin that stands behind them.
//!
//! `limit` answers every request with the same 1 KiB and does nothing else: one read and one
//! write a request, on one thread. `limit --sizes` is an origin instead: it reads the target,
//! counts its calls and streams content of any length. Neither is a web server: a request it
//! does not understand closes the connection.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::process::ExitCode;

mod event_loop;
mod floor;
mod sizes;

/// What the command line asked for.
struct Args {
    port: u16,
    sizes: bool,
}

fn main() -> ExitCode {
    let Some(args) = parse(std::env::args().skip(1)) else {
        eprintln!("usage: limit [--port N] [--sizes]   (port 0, the default: any free one)");
        return ExitCode::from(2);
    };
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("limit: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse(mut argv: impl Iterator<Item = String>) -> Option<Args> {
    let mut args = Args {
        port: 0,
        sizes: false,
    };
    while let Some(arg) = argv.next() {
        match arg.as_str() {
            "--port" => args.port = argv.next()?.parse().ok()?,
            "--sizes" => args.sizes = true,
            _ => return None,
        }
    }
    Some(args)
}

fn run(args: &Args) -> std::io::Result<()> {
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, args.port);
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    // The one line on standard output: whoever started this process waits for it.
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{}", listener.local_addr()?.port())?;
    stdout.flush()?;
    if args.sizes {
        event_loop::serve::<sizes::Origin>(&listener)
    } else {
        event_loop::serve::<floor::Floor>(&listener)
    }
}
