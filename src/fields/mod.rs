//! Header field grammars, one field a file. Pure, and forgiving only where the RFCs are.
