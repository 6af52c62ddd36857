mod filter;
mod inside;
