//! The origin: connection pool, timeouts and retries.
