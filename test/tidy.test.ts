// The laws of the house that a machine can check. Each has its reason in docs/ARCHITECTURE.md.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { findCycle, importsOf, lawsBrokenBy, longFunctions, type SourceFile, sourceFiles } from './support/source-files.ts'

const fileLinesMax = 450
const functionLinesWanted = 70
const fileLinesWanted = 400

const files = await sourceFiles(['src', 'test', 'bench', 'scripts', 'examples'])
const src = files.filter((file) => file.path.startsWith('src/'))

describe('the house is tidy:', () => {
  test('no room imports what it must not know, and what is dangerous is spelled in one file', () => {
    assert.deepEqual(src.flatMap(lawsBrokenBy), [])
  })

  test('imports have no cycles at run time', () => {
    assert.equal(findCycle(src), undefined)
  })

  test('every import names a file that is there', () => {
    const paths = new Set(files.map((file) => file.path))
    const dangling = src.flatMap((file) => importsOf(file).filter((to) => to.startsWith('src/') && !paths.has(to)))
    assert.deepEqual(dangling, [])
  })

  test(`no file has more than ${fileLinesMax} lines that are not blank`, () => {
    const long = files.filter((file) => lineCount(file) > fileLinesMax).map((file) => `${file.path}: ${lineCount(file)}`)
    assert.deepEqual(long, [])
  })

  test('files are kebab-case, and none is a drawer', () => {
    const bad = files.map((file) => file.path).filter((path) => !isWellNamed(path))
    assert.deepEqual(bad, [])
  })

  test('nothing is left for later, and no test is switched off', () => {
    const marks = new RegExp(['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X', String.raw`\b(test|it|describe)\.(skip|only|todo)\(`].join('|'))
    assert.deepEqual(
      files.filter((file) => marks.test(file.text)).map((file) => file.path),
      [],
    )
  })

  test('the lengths of files and functions are known (a report)', (t) => {
    for (const file of files) {
      if (lineCount(file) > fileLinesWanted) t.diagnostic(`${file.path}: ${lineCount(file)} lines`)
      for (const found of longFunctions(file, functionLinesWanted))
        t.diagnostic(`${file.path}:${found.line}: ${found.length} lines: ${found.head}`)
    }
  })
})

describe('the tidy test can fail:', () => {
  const broken: readonly [string, string, string][] = [
    ['core that imports a database', 'src/core/x.ts', "import pg from 'pg'"],
    ['core that imports another room', 'src/core/x.ts', "import { a } from '../postgres/a.ts'"],
    ['core that reads files', 'src/core/x.ts', "import { readFile } from 'node:fs/promises'"],
    ['a driver outside postgres/', 'src/cli/x.ts', "import pg from 'pg'"],
    ['a secret store that knows a database', 'src/secrets/x.ts', "import { a } from '../postgres/a.ts'"],
    ['a doctor’s report that speaks SQL', 'src/doctor/x.ts', "import { a } from '../postgres/a.ts'"],
    ['a store of bytes that knows whose they are', 'src/objects/x.ts', "import { a } from '../resources/files/a.ts'"],
    ['a backup that speaks SQL', 'src/backup/x.ts', "import { a } from '../postgres/a.ts'"],
    ['an operation that speaks SQL', 'src/operations/x.ts', "import { a } from '../postgres/a.ts'"],
    ['an operation that knows the driver', 'src/operations/x.ts', "import pg from 'pg'"],
    ['an operation that needs the whole', 'src/operations/x.ts', "import { createTenancy } from '../tenancy.ts'"],
    ['a file format that speaks SQL', 'src/portability/x.ts', "import { a } from '../postgres/a.ts'"],
    ['middleware that speaks SQL', 'src/middleware/x.ts', "import { a } from '../postgres/a.ts'"],
    ['middleware that knows another one', 'src/middleware/hono.ts', "import { a } from './fastify.ts'"],
    ['a resource that knows another one', 'src/resources/cache/x.ts', "import { a } from '../files/a.ts'"],
    ['a room that needs the whole', 'src/postgres/x.ts', "import { createTenancy } from '../tenancy.ts'"],
    ['a room that knows the command line', 'src/postgres/x.ts', "import { main } from '../cli/main.ts'"],
    ['a kit that knows its test runner', 'src/testing/x.ts', "import { test } from 'node:test'"],
    ['a service that takes the kit along', 'src/index.ts', "import { a } from './testing/index.ts'"],
    ['a second ambient context', 'src/postgres/x.ts', 'const s = new AsyncLocalStorage()'],
    ['settings read behind our back', 'src/postgres/x.ts', 'const a = process.env.A'],
    ['a clock of its own', 'src/postgres/x.ts', 'const a = Date.now()'],
    ['chance', 'src/core/clock.ts', 'const a = Math.random()'],
    ['a second place that binds', 'src/postgres/pool.ts', "const a = 'select set_config($1, $2, false)'"],
    ['a bare error', 'src/core/x.ts', "throw new Error('no')"],
    ['a default export', 'src/core/x.ts', 'export default 1'],
    ['an export of everything', 'src/core/x.ts', "export * from './y.ts'"],
    ['an import without its extension', 'src/core/x.ts', "import { a } from './y'"],
    ['enterWith', 'src/core/tenant-context.ts', 'storage.enterWith(a)'],
  ]
  for (const [name, path, text] of broken) {
    test(`${name} is found`, () => {
      assert.notDeepEqual(lawsBrokenBy({ path, text }), [])
    })
  }

  test('comments and honest code are not', () => {
    const text = "// Date.now() is called elsewhere\nimport { A } from '../errors.ts'\nimport { B } from './b.ts'\n/* export default */\n"
    assert.deepEqual(lawsBrokenBy({ path: 'src/core/x.ts', text }), [])
  })

  test('a cycle is found', () => {
    const circle = [
      { path: 'src/a.ts', text: "import { b } from './b.ts'" },
      { path: 'src/b.ts', text: "import { a } from './a.ts'" },
    ]
    assert.deepEqual(findCycle(circle), ['src/a.ts', 'src/b.ts', 'src/a.ts'])
  })
})

function lineCount(file: SourceFile): number {
  return file.text.split('\n').filter((line) => line.trim() !== '').length
}

function isWellNamed(path: string): boolean {
  const drawers = /^(utils?|helpers?|common|manager|misc|service|shared)$/
  const parts = path.replace(/(\.test|\.d|\.config)?\.(ts|mjs)$/, '').split('/')
  return parts.every((part) => /^[a-z0-9]+(-[a-z0-9]+)*$/.test(part) && !drawers.test(part))
}
