//! Stored responses, and the memory tier that holds them within a budget of bytes.
