//! `strict-token`: the control page from a shell, for benchmarks and people that are not Rust programs.

use std::path::Path;
use std::process::ExitCode;

use strict_token::{Control, Fault, Function, Plan};

const USAGE: &str = "usage: strict-token COMMAND CONTROL-FILE [...]
  create FILE                        makes a control file
  arm FILE FUNCTION FAULT [from=N] [times=N] [chance=N]
                                     FAULT: DEVICE_ERROR (any code without CKR_), lost:CODE, hang, flipped-bit, other-message,
                                     short, zeros; chance is in a million
  clear FILE [FUNCTION]              lets one function work again, or all
  order FILE ORDER                   kill-idle-sessions, drop-login, remove-token, restore-token, stop-server, start-server,
                                     let-link-die, unlock-pin, reset-counters
  show FILE                          counters, one name=value a line";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("strict-token: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<(), String> {
    let (command, file, rest) = match words {
        [command, file, rest @ ..] => (*command, Path::new(file), rest),
        _ => return Err(USAGE.to_owned()),
    };
    let in_words = |e: std::io::Error| format!("{}: {e}", file.display());
    if command == "create" {
        return Control::create(file).map(drop).map_err(in_words);
    }
    let control = Control::open(file).map_err(in_words)?;
    match (command, rest) {
        ("arm", [function, fault, limits @ ..]) => {
            control.arm(self::function(function)?, plan(fault, limits)?);
        }
        ("clear", []) => control.clear_all(),
        ("clear", [function]) => control.clear(self::function(function)?),
        ("order", [order]) => self::order(&control, order)?,
        ("show", []) => show(&control),
        _ => return Err(USAGE.to_owned()),
    }
    Ok(())
}

fn function(name: &str) -> Result<Function, String> {
    Function::parse(name).ok_or_else(|| format!("no function is called {name}"))
}

fn plan(fault: &str, limits: &[&str]) -> Result<Plan, String> {
    let mut plan = Plan::always(fault.parse::<Fault>()?);
    for limit in limits {
        let unknown = || format!("{limit} is not from=, times= or chance= and a number");
        let (name, value) = limit.split_once('=').ok_or_else(unknown)?;
        let value = value.parse().map_err(|_| unknown())?;
        plan = match name {
            "from" => plan.from(value),
            "times" => plan.times(value),
            "chance" => plan.chance(value),
            _ => return Err(unknown()),
        };
    }
    Ok(plan)
}

fn order(control: &Control, order: &str) -> Result<(), String> {
    match order {
        "kill-idle-sessions" => control.kill_idle_sessions(),
        "drop-login" => control.drop_login(),
        "remove-token" => control.remove_token(),
        "restore-token" => control.restore_token(),
        "stop-server" => control.stop_server(),
        "start-server" => control.start_server(),
        "let-link-die" => control.let_link_die(),
        "unlock-pin" => control.unlock_pin(),
        "reset-counters" => control.reset_counters(),
        _ => return Err(format!("no order is called {order}")),
    }
    Ok(())
}

fn show(control: &Control) {
    for (name, value) in [
        ("signatures_made", control.signatures_made()),
        ("signatures_released", control.signatures_released()),
        ("login_attempts", control.login_attempts()),
        ("wrong_pins", control.wrong_pins()),
        ("pin_failures", control.pin_failures()),
        ("sessions_open", control.sessions_open()),
        ("sessions_most", control.sessions_most()),
        ("hanging", control.hanging()),
    ] {
        println!("{name}={value}");
    }
    for function in Function::ALL {
        let calls = control.calls(function);
        if calls > 0 {
            println!("{}={calls}", function.name());
        }
    }
}
