// A directory of migrations: names, numbers, checksums, directives, and what no file may do.

import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { type MigrationSet, readMigrations } from '../../../src/postgres/migrations/migration-set.ts'

async function setOf(t: TestContext, files: Readonly<Record<string, string>>): Promise<MigrationSet> {
  const path = await mkdtemp(join(tmpdir(), 'partywall-set-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), text)
  return await readMigrations(pathToFileURL(path))
}

test('files come in the order of their numbers; gaps are allowed, and other kinds of files are left alone', async (t) => {
  const set = await setOf(t, { '0010-b.sql': 'select 1', '0002-a.ts': 'export const x = 1', 'README.md': 'read me' })
  assert.deepEqual(
    set.files.map(({ version, file, statements }) => [version, file, statements?.length]),
    [
      ['0002', '0002-a.ts', undefined],
      ['0010', '0010-b.sql', 1],
    ],
  )
  assert.equal(set.newest, '0010')
  assert.equal((await setOf(t, {})).newest, undefined)
})

test('a misnamed file and a number that is given twice are refused by name', async (t) => {
  for (const name of ['first.sql', '1-first.sql', '0001_first.sql', '0001-First.sql', '0001-.sql', '00001-first.sql']) {
    await assert.rejects(setOf(t, { [name]: 'select 1' }), { code: 'PW_CONFIGURATION', message: new RegExp(`^${name} is not the name`) })
  }
  await assert.rejects(setOf(t, { '0001-a.sql': 'select 1', '0001-b.ts': '' }), {
    code: 'PW_CONFIGURATION',
    message: /0001-a\.sql and 0001-b\.ts have one number/,
  })
})

test('a directory that is not there is refused by its path', async () => {
  await assert.rejects(readMigrations(new URL('file:///no/such/directory/')), { code: 'PW_CONFIGURATION', message: /no\/such\/directory/ })
})

test('the checksum is of the text, not of its line ends', async (t) => {
  const [unix, windows, other] = await Promise.all(
    ['select 1;\nselect 2;\n', 'select 1;\r\nselect 2;\r\n', 'select 1;\nselect 3;\n'].map((text) => setOf(t, { '0001-a.sql': text })),
  )
  assert.equal(unix!.files[0]!.sha256, windows!.files[0]!.sha256)
  assert.notEqual(unix!.files[0]!.sha256, other!.files[0]!.sha256)
})

test('what is not SQL is refused with its line', async (t) => {
  await assert.rejects(setOf(t, { '0001-a.sql': 'select 1;\n-- é\ncreate tabel a ();' }), {
    code: 'PW_MIGRATION',
    message: /^0001-a\.sql:3: syntax error at or near "tabel"/,
  })
})

test('directives are read from the head of the file', async (t) => {
  const head = [
    '-- partywall: lock-timeout 1500ms',
    '-- What this does.',
    '',
    '-- partywall: statement-timeout 2h',
    '-- partywall: allow drop-column because nobody has read it since 0003',
  ]
  const set = await setOf(t, { '0001-a.sql': `${head.join('\n')}\nselect 1`, '0002-b.ts': '// partywall: lock-timeout 1min\n' })
  const [first, second] = set.files.map((file) => file.directives)
  assert.deepEqual(first, {
    isTransactional: true,
    lockTimeoutMs: 1_500,
    statementTimeoutMs: 7_200_000,
    allowed: new Map([['drop-column', 'nobody has read it since 0003']]),
  })
  assert.deepEqual(second, { isTransactional: true, lockTimeoutMs: 60_000, allowed: new Map() })
})

const refusedDirectives: readonly (readonly [string, string])[] = [
  ['one that is not known', '-- partywall: no-transactions\nselect 1'],
  ['a timeout of nothing', '-- partywall: lock-timeout 0s\nselect 1'],
  ['a timeout without a unit', '-- partywall: lock-timeout 10\nselect 1'],
  ['a timeout past a day', '-- partywall: statement-timeout 25h\nselect 1'],
  ['one given twice', '-- partywall: lock-timeout 1s\n-- partywall: lock-timeout 2s\nselect 1'],
  ['one after the first statement', 'select 1;\n-- partywall: lock-timeout 1s\n'],
  ['an allowance without a reason', '-- partywall: allow drop-column\nselect 1'],
  ['an allowance with hardly a reason', '-- partywall: allow drop-column because so\nselect 1'],
]
for (const [name, text] of refusedDirectives) {
  test(`a directive is refused: ${name}`, async (t) => {
    await assert.rejects(setOf(t, { '0001-a.sql': text }), { code: 'PW_MIGRATION', message: /^0001-a\.sql:[12]: / })
  })
}

test('a step in TypeScript cannot be without a transaction', async (t) => {
  await assert.rejects(setOf(t, { '0001-a.ts': '// partywall: no-transaction\n' }), { code: 'PW_MIGRATION', message: /step in TypeScript/ })
})
