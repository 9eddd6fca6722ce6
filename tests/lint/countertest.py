# SPDX-License-Identifier: MIT
"""Counter-tests of the lints: each must find the fault planted for it, and nothing in a
clean tree.  A lint that cannot fail is a defect."""

import os
import pathlib
import shutil
import subprocess
import tempfile

HEAD = "/* SPDX-License-Identifier: MIT */\n/* {} - an example. */\n"
SCRIPT = "#!/bin/bash\n# SPDX-License-Identifier: MIT\n"
LONG = "".join(f"    n += {i};\n" for i in range(66))


def c(name, body):
    return HEAD.format(name) + body


CLEAN = {
    "server/base/a.h": c("a.h", "#ifndef A_H\n#define A_H\n\nint a(int n);\n\n#endif\n"),
    "server/base/a.c": c("a.c", '#include "server/base/a.h"\n\nint a(int n)\n{\n'
                                + LONG + '    /* "//" */\n    return n;\n}\n'),
    "server/http/b.c": c("b.c", '#include "server/base/a.h"\n\n'
                                'static const char *const url = "http://x";\n'),
    "server/conf/t.h": c("t.h", "enum t {\n#define T(name) name,\n"
                                '#include "server/conf/t.def"\n#undef T\n};\n'),
    "server/conf/t.def": HEAD.format("t.def") + "T(ONE)\nT(TWO)\n",
    "gc/gc.h": c("gc.h", "struct gc_heap;\n"),
    "gc/in.h": c("in.h", '#ifndef GC_IMPL\n#error "private"\n#endif\n#include "gc/gc.h"\n'),
    "gc/README.md": "1. **One.**\n2. **Two.**\n",
    "gc/k.c": c("k.c", "/* keeps rules 1 and\n * 2 */\nint k;\n"),
    "tests/unit/gc/test_k.c": c("test_k.c", "/* rules 1 to 2 */\nint k;\n"),
    "x.sh": SCRIPT + "\necho 1\n",
    "x.py": "# SPDX-License-Identifier: MIT\nprint(1)\n",
}

# lint, files that are added to the clean tree, words that its output must contain
PLANTED = [
    ("layers", {"server/base/z.c": c("z.c", '#include "server/http/b.h"\n')},
     "server/base/z.c:3: server/base must not include server/http/b.h"),
    ("layers", {"server/worker/z.c": c("z.c", '#include "server/master/spawn.h"\n')},
     "server/worker must not include server/master/spawn.h"),
    ("layers", {"server/cache/z.c": c("z.c", '#include "gc/in.h"\n')},
     "server/cache must not include gc/in.h"),
    ("layers", {"gc/z.c": c("z.c", '#include "server/base/a.h"\n')},
     "gc must not include server/base/a.h"),
    ("layers", {"gc/z.c": c("z.c", "#include <event2/event.h>\n")}, "gc/z.c:3:"),
    ("layers", {"server/base/z.c": c("z.c", '#include "tests/test.h"\n')},
     "must not include tests/test.h"),
    ("layers", {"server/new/z.c": c("z.c", '#include "server/base/a.h"\n')},
     "server/new must not include server/base/a.h"),
    ("headers", {"server/base/z.h": c("z.h", "size_t z(void);\n")},
     "server/base/z.h does not stand alone"),
    ("headers", {"gc/z.h": c("z.h", "struct z;\n")}, "gc/z.h: a private header of gc/"),
    ("sizes", {"server/base/z.c": c("z.c", "int z(int n)\n{\n" + LONG
                                    + "    n++;\n    n++;\n    return n;\n}\n")},
     "z has 71 lines, 70 are allowed"),
    ("sizes", {"server/base/z.c": c("z.c", "int x;\n" * 599)}, "601 lines, 600 are allowed"),
    ("sizes", {"server/base/z.h": c("z.h", "int x;\n" * 149)}, "151 lines, 150 are allowed"),
    ("sizes", {"server/base/z.c": c("z.c", "/*" + "x" * 85 + "*/\n")}, "89 columns"),
    ("text", {"server/base/z.c": c("z.c", "int x; // why\n")},
     "server/base/z.c:3: a // comment"),
    ("text", {"server/base/z.c": c("z.c", "int x; /* TO" + "DO: y */\n")},
     "server/base/z.c:3:"),
    ("text", {"server/base/z.c": "int x;\n"}, "the first line is not the SPDX line"),
    ("text", {"server/base/z.c": c("y.c", "int x;\n")}, "no head comment"),
    ("text", {"server/base/z.c": c("z.c", "int x; \n")}, "server/base/z.c:3: a tab"),
    ("text", {"server/base/z.c": c("z.c", "\tint x;\n")}, "server/base/z.c:3: a tab"),
    ("text", {"z.py": "print(1)\n"}, "z.py: no SPDX line"),
    ("magics", {"server/base/z.c": c("z.c", "enum { Z_MAGIC = 0x1234abcd };\n"
                                            "#define Y_MAGIC 0x1234ABCD\n")},
     "0x1234abcd: both"),
    ("tables", {"server/base/z.def": HEAD.format("z.def") + "T(ONE)\n"},
     "server/base/z.def: nothing includes it"),
    ("tables", {"server/conf/t.def": HEAD.format("t.def") + "T(ONE)\nT(ONE)\n"},
     "server/conf/t.def: twice: ONE"),
    ("tables", {"server/conf/t.def": HEAD.format("t.def") + "int x;\n"},
     "neither a macro call nor a comment"),
    ("rules", {"gc/k.c": c("k.c", "/* rule 2 */\nint k;\n"),
               "gc/verify.c": c("verify.c", "/* rule 1 */\nint v;\n")},
     "rule 1 is cited by no code"),
    ("rules", {"tests/unit/gc/test_k.c": c("test_k.c", "int k;\n"),
               "tests/unit/gc/test_verify.c": c("test_verify.c", "/* rules 1, 2 */\nint k;\n")},
     "rule 2 is cited by no test"),
    ("rules", {"gc/z.c": c("z.c", "/* (rule 3) */\nint z;\n")}, "rule 3 is cited, but"),
    ("rules", {"gc/README.md": "no rules\n"}, "no numbered rules"),
    ("format", {"server/base/z.c": c("z.c", "int  z;\n")}, "server/base/z.c: not formatted"),
    ("shell", {"z.sh": SCRIPT + "if true; then\n"}, "z.sh: does not parse"),
    ("shell", {"z.py": "# SPDX-License-Identifier: MIT\ndef x(:\n"}, "z.py: does not compile"),
    ("analysis", {"server/base/z.c": c("z.c", "int z(void);\nint z(void)\n{\n"
                                              "    int a[2] = { 1, 2 };\n"
                                              "    return a[2];\n}\n")},
     "server/base/z.c:7: arrayIndexOutOfBounds"),
]


def run_lint(root, lint, tree):
    """(exit code, output) of one lint over a tree of these files."""
    with tempfile.TemporaryDirectory(prefix="cowshed-lint-") as folder:
        for name, text in tree.items():
            path = pathlib.Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        shutil.copy(root / ".clang-format", folder)
        env = {k: v for k, v in os.environ.items() if k != "LINT_CC"}
        done = subprocess.run([root / "tests/lint" / f"{lint}.sh", folder], env=env,
                              capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, done.stdout + done.stderr


def check(root, name, lint, tree, want, totals):
    """want is None: the lint must be content."""
    code, output = run_lint(root, lint, tree)
    if code == 77:
        totals.skip(name, output.strip().removeprefix("skip: "))
    elif want is None and code != 0:
        totals.fail(name, f"found a fault in a clean tree: {output.strip()}")
    elif want is not None and (code != 1 or want not in output):
        totals.fail(name, f"exit code {code}, output {output.strip()!r}, want {want!r}")
    else:
        totals.passed += 1


def run(root, only, totals):
    before = totals.passed, len(totals.failures)
    for lint in sorted({lint for lint, _, _ in PLANTED}):
        name = f"lint/{lint}: a clean tree passes"
        if only in name:
            check(root, name, lint, CLEAN, None, totals)
    for lint, files, want in PLANTED:
        name = f"lint/{lint}: finds '{want}'"
        if only in name:
            check(root, name, lint, {**CLEAN, **files}, want, totals)
    passed, failed = totals.passed - before[0], len(totals.failures) - before[1]
    if passed + failed:
        print(f"{'FAIL' if failed else 'ok  '} lint/countertest: {passed} passed", flush=True)
