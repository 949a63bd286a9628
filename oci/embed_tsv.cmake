# cmake -DIN=… -DOUT=… -P embed_tsv.cmake: a table as a C++ string, so that it is compiled in.
file(READ ${IN} text)
file(WRITE ${OUT}.new "// Made from ${IN} by oci/embed_tsv.cmake.\n#include \"oci/seccomp_table.h\"\n\nnamespace slipway::oci {\nconst std::string_view kSeccompTable = R\"tsv(${text})tsv\";\n}\n")
file(COPY_FILE ${OUT}.new ${OUT} ONLY_IF_DIFFERENT)
