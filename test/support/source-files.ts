// Reads our own source for test/tidy.test.ts: who imports whom, which laws a file breaks, how long its functions are.
// Textual on purpose: comments are blanked, and what remains is ours and formatted by one formatter.

import { readdir, readFile } from 'node:fs/promises'
import { posix } from 'node:path'

export interface SourceFile {
  /** From the root of the project, with `/`. */
  readonly path: string
  readonly text: string
}

/** All .ts and .mjs files under these directories. A directory that is not there has none. */
export async function sourceFiles(directories: readonly string[]): Promise<readonly SourceFile[]> {
  const root = new URL('../../', import.meta.url)
  const found: SourceFile[] = []
  for (const directory of directories) {
    const names = await readdir(new URL(directory, root), { recursive: true }).catch(() => [])
    for (const name of names) {
      const path = posix.join(directory, name.replaceAll('\\', '/'))
      if (!/\.(ts|mjs)$/.test(path) || /(^|\/)(node_modules|dist)\//.test(path)) continue
      found.push({ path, text: await readFile(new URL(path, root), 'utf8') })
    }
  }
  return found.sort((a, b) => (a.path < b.path ? -1 : 1))
}

/** What a file imports: paths of ours from the root, other modules by name. Types count: a room must not even know of them. */
export function importsOf(file: SourceFile): readonly string[] {
  return importsIn(file, withoutComments(file.text))
}

/** Without what is gone at run time: a port may name a type of the module that takes it. */
function runTimeImportsOf(file: SourceFile): readonly string[] {
  return importsIn(file, withoutComments(file.text).replace(/\b(import|export) type [^']*'[^']*'/g, ''))
}

function importsIn(file: SourceFile, code: string): readonly string[] {
  const specifiers = [...code.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'([^']+)'/g)].map((match) => match[1] ?? '')
  return specifiers.map((specifier) =>
    specifier.startsWith('.') ? posix.normalize(posix.join(posix.dirname(file.path), specifier)) : specifier,
  )
}

interface ImportLaw {
  readonly in: RegExp
  readonly mayImport?: RegExp
  readonly mayNotImport?: RegExp
  readonly why: string
}

const importLaws: readonly ImportLaw[] = [
  {
    in: /^src\/core\//,
    mayImport: /^(src\/core\/|src\/errors\.ts$|node:(async_hooks|crypto)$|(lru-cache|uuid)$)/,
    why: 'core/ is rules without I/O (of packages: lru-cache, uuid)',
  },
  { in: /^src\/(?!postgres\/)/, mayNotImport: /^pg(-|$)/, why: 'pg is imported in postgres/ only' },
  { in: /^src\/middleware\//, mayNotImport: /^src\/(?!core\/|errors\.ts$|middleware\/)/, why: 'middleware/ imports core/ only' },
  { in: /^src\/doctor\//, mayNotImport: /^src\/(?!core\/|errors\.ts$|doctor\/)/, why: 'doctor/ judges and prints; who looks is a port' },
  { in: /^src\/audit\//, mayNotImport: /^src\/(?!core\/|errors\.ts$|audit\/)/, why: 'audit/ judges rows; who reads them is a port' },
  { in: /^src\/secrets\//, mayNotImport: /^src\/(?!core\/|errors\.ts$|secrets\/)/, why: 'secrets/ imports core/ only' },
  { in: /^src\/objects\//, mayNotImport: /^src\/(?!core\/|errors\.ts$|objects\/)/, why: 'objects/ keeps bytes, and knows nobody' },
  {
    in: /^src\/backup\//,
    mayNotImport: /^src\/(?!(core|objects|operations|backup)\/|errors\.ts$)/,
    why: 'backup/ knows databases by their ports',
  },
  {
    in: /^src\/operations\//,
    mayImport: /^(src\/(core|operations)\/|src\/errors\.ts$|node:(crypto|timers\/promises)$|(jose|uuid)$)/,
    why: 'operations/ knows databases and stores by their ports',
  },
  {
    in: /^src\/portability\//,
    mayNotImport: /^src\/(?!core\/|errors\.ts$|portability\/)/,
    why: 'portability/ knows files; the database is a port',
  },
  {
    in: /^src\/(?!index\.ts$|cli\/|testing\/|tenancy\.ts$)/,
    mayNotImport: /^src\/tenancy\.ts$/,
    why: 'a room needs a parameter, not the whole',
  },
  { in: /^src\/(?!cli\/)/, mayNotImport: /^src\/cli\//, why: 'nothing imports cli/' },
  { in: /^src\/(?!testing\/|cli\/)/, mayNotImport: /^src\/testing\//, why: 'nothing imports testing/' },
  { in: /^src\//, mayNotImport: /^node:test/, why: 'the isolation kit works with any test runner' },
  { in: /^src\//, mayNotImport: /^(test|examples|bench|scripts|console)\//, why: 'the library stands alone' },
  { in: /^src\//, mayNotImport: /^src\/(.*\/)?[^./]+$/, why: 'an import names its file' },
]

interface TextLaw {
  readonly text: RegExp
  /** The files that may. */
  readonly only: RegExp
  readonly why: string
}

const never = /^$/

const textLaws: readonly TextLaw[] = [
  { text: /new AsyncLocalStorage\b/, only: /^src\/core\/tenant-context\.ts$/, why: 'one ambient context' },
  { text: /\.enterWith\(/, only: never, why: 'enterWith leaks to the caller' },
  { text: /\bprocess\.env\b/, only: /^src\/cli\//, why: 'settings are handed in' },
  { text: /\b(Date\.now|performance\.now)\(/, only: /^src\/core\/clock\.ts$/, why: 'time is handed in' },
  { text: /\bMath\.random\(/, only: never, why: 'chance is crypto’s' },
  {
    text: /\bset_config\(/,
    only: /^src\/(postgres\/binding|testing\/wall-attempts-sql|testing\/isolation\/(mutations|attacks\/(forgeries|powers)))\.ts$/,
    why: 'binding happens in one place, and is forged where attacks are',
  },
  { text: /\bnew Error\(/, only: never, why: 'everything thrown is a TenancyError' },
  { text: /\bexport default\b/, only: never, why: 'named exports' },
  { text: /\bexport \*/, only: never, why: 'exports by name' },
]

/** What this file does that it must not. */
export function lawsBrokenBy(file: SourceFile): readonly string[] {
  const imports = importsOf(file)
  const code = withoutComments(file.text)
  const broken = importLaws.flatMap((law) =>
    law.in.test(file.path)
      ? imports
          .filter((to) => (law.mayImport && !law.mayImport.test(to)) || law.mayNotImport?.test(to))
          .map((to) => `${file.path} imports ${to}: ${law.why}`)
      : [],
  )
  const strangers = imports
    .filter((to) => isNeighbour(file.path, to))
    .map((to) => `${file.path} imports ${to}: neighbours do not know each other`)
  const spelled = textLaws.filter((law) => law.text.test(code) && !law.only.test(file.path)).map((law) => `${file.path}: ${law.why}`)
  return [...broken, ...strangers, ...spelled]
}

/**
 * One middleware never imports another framework's, one resource never another. Files shared by all of a room are no neighbours;
 * and Nest is no framework of its own here: it runs on Express or on Fastify.
 */
function isNeighbour(from: string, to: string): boolean {
  const resource = /^src\/resources\/([^/]+)\//
  const [mine, theirs] = [resource.exec(from)?.[1], resource.exec(to)?.[1]]
  if (mine !== undefined && theirs !== undefined) return mine !== theirs
  const framework = /^src\/middleware\/(fastify|express|hono|koa|trpc)[^/]*\.ts$/
  const [one, other] = [framework.exec(from)?.[1], framework.exec(to)?.[1]]
  return one !== undefined && other !== undefined && one !== other
}

/** The first circle of imports at run time, as a path that ends where it starts. */
export function findCycle(files: readonly SourceFile[]): readonly string[] | undefined {
  const graph = new Map(files.map((file) => [file.path, runTimeImportsOf(file)]))
  const done = new Set<string>()
  const visit = (path: string, trail: readonly string[]): readonly string[] | undefined => {
    const start = trail.indexOf(path)
    if (start >= 0) return [...trail.slice(start), path]
    if (done.has(path)) return undefined
    for (const next of graph.get(path) ?? []) {
      const cycle = graph.has(next) ? visit(next, [...trail, path]) : undefined
      if (cycle !== undefined) return cycle
    }
    done.add(path)
    return undefined
  }
  for (const path of graph.keys()) {
    const cycle = visit(path, [])
    if (cycle !== undefined) return cycle
  }
  return undefined
}

interface LongFunction {
  readonly line: number
  readonly length: number
  readonly head: string
}

/** Functions and methods longer than that. A head ends with `{`, and its end is the first `}` at the same depth of indent. */
export function longFunctions(file: SourceFile, lines: number): readonly LongFunction[] {
  const all = file.text.split('\n')
  const isHead = /^(\s*)(export )?(async )?(function\b|static |get |(#?\w+(<.*>)?\(.*\).*)|(const \w+ = .*=>)).*\{$/
  return all.flatMap((text, index) => {
    const indent = isHead.exec(text)?.[1]
    if (indent === undefined || /^\s*(if|for|while|switch|return|await|else|test|describe|it)\b/.test(text)) return []
    const end = all.findIndex((candidate, at) => at > index && candidate.startsWith(`${indent}}`))
    const length = end - index + 1
    return end > 0 && length > lines ? [{ line: index + 1, length, head: text.trim() }] : []
  })
}

/** Comments blanked, line numbers kept. A `//` inside a string (an address) stays, because a colon comes before it. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' ')).replace(/(?<!:)\/\/.*$/gm, '')
}
