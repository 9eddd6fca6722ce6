# SPDX-License-Identifier: MIT
"""The collector as a library: installed into a folder of its own, used as others would."""

import functools
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from e2e.harness import BUILD, PATIENCE, Skip, check, check_equal, test

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEADER = ROOT / "gc" / "gc.h"
MANUAL = ROOT / "gc" / "cowgc.3"
PREFIX = "/opt/cowgc"
SANITIZERS = BUILD.name.partition("-")[2]
# What a library without locks, threads and handlers does not call. To hold signals off one
# thread for the moment of a fork (pthread_sigmask) is none of these.
CALLS = r"pthread_(?!sigmask$)|mtx_|thrd_|sem_|sigaction|atexit"
STRICT = ["-std=c17", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]


def run(*argv, **more):
    return subprocess.run([str(a) for a in argv], capture_output=True, text=True,
                          timeout=60 * PATIENCE, check=False, **more)


def must(*argv, **more):
    done = run(*argv, **more)
    check_equal(done.returncode, 0, f"{' '.join(map(str, argv))}: {done.stdout}{done.stderr}")
    return done.stdout


@functools.lru_cache(maxsize=None)
def installed():
    """The folder that `make install-lib` filled; it goes when this process does."""
    folder = tempfile.TemporaryDirectory(prefix="cowgc-install-")
    installed.folder = folder
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    must("make", "-s", "install-lib", f"BUILD={BUILD.name.partition('-')[0]}",
         f"SAN={SANITIZERS}", f"DESTDIR={folder.name}", f"PREFIX={PREFIX}", cwd=ROOT, env=env)
    return pathlib.Path(folder.name)


def pkg_config(*what):
    env = dict(os.environ, PKG_CONFIG_PATH=f"{installed()}{PREFIX}/lib/pkgconfig",
               PKG_CONFIG_SYSROOT_DIR=str(installed()))
    return must("pkg-config", *what, "cowgc", env=env).split()


def build(compiler, source, flags):
    """Compiled with what pkg-config says and nothing else; the program."""
    program = pathlib.Path(f"{source}.{compiler}")
    extra = [f"-fsanitize={SANITIZERS}"] if SANITIZERS else []
    must(compiler, *flags, *extra, "-o", program, source, *pkg_config("--cflags", "--libs"))
    return program


def need(*tools):
    """The first of them that is here."""
    for tool in tools:
        if shutil.which(tool):
            return tool
    raise Skip(f"needs {' or '.join(tools)}")


def example_proves_sharing(compiler):
    source = installed() / "share.c"
    shutil.copy(installed() / PREFIX[1:] / "share/doc/cowgc/example/share.c", source)
    done = run(build(compiler, source, STRICT))
    check_equal((done.returncode, done.stdout),
                (0, "read 100000 words and collected: 0 pages copied; after a write: 1\n"),
                f"the example ({done.stderr})")


@test
def the_example_builds_against_the_installed_library_and_copies_no_page():
    example_proves_sharing(need("gcc", "cc"))


@test
def the_example_builds_with_clang_too():
    if SANITIZERS:
        raise Skip("the library was built with the sanitizers of gcc")
    example_proves_sharing(need("clang"))


@test
def the_library_says_which_version_it_is():
    version = re.search(r'COWSHED_VERSION "(.*)"', (ROOT / "server/shared/version.h").read_text())
    check_equal(pkg_config("--modversion"), [version.group(1)], "the version")


CPLUSPLUS = """
#include <cowgc/gc.h>

int main()
{
    gc_config config = gc_config();
    config.shared = true;
    config.readers = 1;
    gc_heap *heap = gc_new(&config, 0);
    if (!heap)
        return 1;
    int *object = static_cast<int *>(gc_alloc(heap, GC_BYTES, sizeof *object));
    *object = 17;
    gc_publish(heap, object);
    gc_reader *reader = gc_reader_open(heap, 0);
    int got = *static_cast<const int *>(gc_reader_enter(reader));
    uint64_t inside = gc_collect(heap, GC_REASON_ASKED);
    gc_reader_leave(reader);
    gc_reader_close(reader);
    gc_free(heap);
    return got == 17 && inside != 0 ? 0 : 1;
}
"""


@test
def a_program_in_cplusplus_can_use_the_library():
    compiler = need("g++", "clang++")
    source = installed() / "use.cc"
    source.write_text(CPLUSPLUS)
    for standard in ("c++11", "c++20"):
        program = build(compiler, source, [f"-std={standard}", *STRICT[1:]])
        check_equal(run(program).returncode, 0, f"exit code of the {standard} program")


@test
def the_library_has_no_variables_and_starts_no_thread():
    """Rule 10 of gc/README.md: no locks, no globals, no fork handlers, no threads."""
    if SANITIZERS:
        raise Skip("sanitizers bring variables of their own")
    library = f"{installed()}{PREFIX}/lib/libcowgc.a"
    variables = re.findall(r"^\S+ \S+ +O +(\.(?:data|bss|tdata|tbss)\S*)\s+\S+ (\S+)$",
                           must(need("objdump"), "-t", library), re.M)
    written = [name for section, name in variables if not section.startswith(".data.rel.ro")]
    check(variables, "objdump shows no constant with an address in it, which there are")
    check_equal(written, [], "variables")
    wanted = re.findall(r"^ +U (\w+)$", must(need("nm"), "-u", library), re.M)
    check("mmap" in wanted, f"nm shows {wanted}")
    check_equal([n for n in wanted if re.match(CALLS, n)],
                [], "what the library would call")


def foreign_names(nm_output):
    names = [line.split()[-1] for line in nm_output.splitlines() if len(line.split()) == 3]
    return names, [n for n in names if not n.startswith("gc_")]


@test
def every_name_that_the_library_exports_begins_with_gc_():
    names, foreign = foreign_names(
        must(need("nm"), "-g", "--defined-only", f"{installed()}{PREFIX}/lib/libcowgc.a"))
    if SANITIZERS:
        foreign = [n for n in foreign if not n.startswith("__odr_asan")]
    check(len(names) > 40, f"only {len(names)} names")
    check_equal(foreign, [], "names without the prefix")
    check_equal(foreign_names("0 T gc_new\n0 D heaps\n")[1], ["heaps"], "a planted one")


# ---- the manual -------------------------------------------------------------------

def squeeze(text):
    return re.sub(r"\s+", " ", re.sub(r"\s*\*\s*", " * ", text)).strip()


def declared(header):
    """{function: (result, [parameters])} of a header, as text."""
    text = re.sub(r"/\*.*?\*/", " ", header, flags=re.S)
    text = re.sub(r"^#.*$", "", text, flags=re.M)
    text = re.split(r'extern "C" \{', text)[-1]
    found = {}
    for match in re.finditer(r"(?<![\w.>&])((?:[a-z_]\w*[ *]+)+?)(gc_\w+)\(([^(){};]*)\)"
                             r"(?: *__attribute__\(\([^;]*\)\))?;", text.replace("GC_INLINE ", "")):
        result, name, parameters = match.groups()
        if not re.search(r"\b(typedef|return)\b", result):
            found[name] = (squeeze(result), [squeeze(p) for p in parameters.split(",")])
    return found


def documented(manual):
    """The same of a manual's SYNOPSIS."""
    synopsis = manual.partition(".Sh SYNOPSIS\n")[2].partition("\n.Sh ")[0]
    found = {}
    for result, name, rest in re.findall(r"^\.Ft (.*)\n\.Fn (\w+) ?(.*)$", synopsis, re.M):
        words = re.findall(r'"([^"]*)"|(\S+)', rest)
        found[name] = (squeeze(result.strip('"')), [squeeze(a or b) for a, b in words])
    return found


def manual_faults(header, manual):
    want, got = declared(header), documented(manual)
    faults = [f"{n} is not in the SYNOPSIS" for n in sorted(want.keys() - got.keys())]
    faults += [f"{n} is in no header" for n in sorted(got.keys() - want.keys())]
    faults += [f"{n} is {want[n]} in the header and {got[n]} in the manual"
               for n in sorted(want.keys() & got.keys()) if want[n] != got[n]]
    description = manual.partition("\n.Sh DESCRIPTION\n")[2]
    for name in sorted(want):
        if len(re.findall(rf"^\.It Fn {name}\n(?!\.(It|El))", description, re.M)) != 1:
            faults.append(f"{name} is not described once")
        if len(re.findall(rf"^\.Nm {name}\b", manual, re.M)) != 1:
            faults.append(f"{name} is not in NAME")
    return faults


def settings(header):
    """The fields of struct gc_config."""
    body = re.search(r"struct gc_config \{(.*?)\n\};", header, re.S).group(1)
    body = re.sub(r"/\*.*?\*/", " ", body, flags=re.S)
    return re.findall(r"(?:\(\*)?(\w+)\)?(?:\([^;]*\))?;", body)


def described_settings(manual):
    """The same of the manual, in its order."""
    section = manual.partition("\n.Vt struct gc_config :\n")[2].partition("\n.El\n")[0]
    return [n for line in re.findall(r"^\.It (.*)$", section, re.M)
            for n in re.findall(r"Va (\w+)", line)]


@test
def the_manual_describes_every_setting_of_a_heap_and_no_other():
    fields = settings(HEADER.read_text())
    check(len(fields) > 15 and "on_event" in fields and "clock_ns" in fields, f"{fields}")
    check_equal(sorted(described_settings(MANUAL.read_text())), sorted(fields), "the settings")


@test
def the_manual_describes_every_function_of_the_header_and_no_other():
    header, manual = HEADER.read_text(), MANUAL.read_text()
    check(len(declared(header)) > 40, f"only {sorted(declared(header))}")
    check_equal(manual_faults(header, manual), [], "the manual")
    more = header.replace("void gc_free(", "void gc_more(int n);\nvoid gc_free(")
    for planted, want in (((more, manual), "gc_more is not in the SYNOPSIS"),
                          ((header.replace("void gc_free(", "void gc_gone("), manual),
                           "gc_free is in no header"),
                          ((header.replace("uint64_t budget_ns)", "uint64_t ns)"), manual),
                           "gc_step is ("),
                          ((header, manual.replace(".It Fn gc_pin\n", "")),
                           "gc_pin is not described once")):
        faults = manual_faults(*planted)
        check(any(want in f for f in faults), f"planted, not found: {want}: {faults}")


def mandoc_faults(manual):
    # What is said of manuals that this machine does not have says nothing of ours.
    text = run("mandoc", "-T", "lint", manual).stdout
    return [line for line in text.splitlines() if "referenced manual not found" not in line]


@test
def mandoc_finds_no_fault_in_the_manual():
    need("mandoc")
    check_equal(mandoc_faults(MANUAL), [], "mandoc -T lint")
    with tempfile.NamedTemporaryFile("w", suffix=".3") as planted:
        planted.write(MANUAL.read_text().replace(".Sh NAME", ".Sh NAMES"))
        planted.flush()
        check(mandoc_faults(planted.name), "a planted fault was not found")


def examples(manual):
    """The programs in the manual's EXAMPLES, as they are shown."""
    section = manual.partition("\n.Sh EXAMPLES\n")[2].partition("\n.Sh ")[0]
    return [text.replace("\\e", "\\")
            for text in re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed$", section, re.M | re.S)]


@test
def the_examples_of_the_manual_compile_and_do_what_they_say():
    found = examples(MANUAL.read_text())
    check_equal(len(found), 2, "examples")
    for number, text in enumerate(found):
        source = installed() / f"example-{number}.c"
        source.write_text(text)
        done = run(build(need("gcc", "cc"), source, STRICT))
        check_equal(done.returncode, 0, f"example {number}: {done.stdout}{done.stderr}")


@test
def each_function_has_a_manual_page_under_its_own_name():
    pages = installed() / PREFIX[1:] / "share/man/man3"
    names = {p.stem for p in pages.iterdir()}
    check_equal(sorted(declared(HEADER.read_text()).keys() - names), [], "without a page")
    for page in pages.iterdir():
        check("GARBAGE" in page.read_text().upper(), f"{page.name} leads nowhere")
