// PostgreSQL's own parser (libpg-query, compiled to WebAssembly: 3 MB), loaded when it is first asked for.

import { setFlagsFromString } from 'node:v8'

let loading: Promise<typeof import('libpg-query')> | undefined

/** The parser, loaded once for the process. */
export async function sqlParser(): Promise<typeof import('libpg-query')> {
  loading ??= load()
  return await loading
}

/**
 * V8 compiles anew, and better, what of WebAssembly has run for a while. For the grammar, one function of a hundred thousand
 * instructions, that takes half a gigabyte of memory for some seconds, and files are parsed in milliseconds without it. How long
 * `a while` is, a module learns when it is loaded; afterwards the flag is what V8 has it at for everybody else.
 */
async function load(): Promise<typeof import('libpg-query')> {
  const parser = await import('libpg-query')
  setFlagsFromString('--wasm-tiering-budget=2147483647')
  try {
    await parser.loadModule()
  } finally {
    setFlagsFromString('--wasm-tiering-budget=13000000')
  }
  return parser
}
