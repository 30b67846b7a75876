// The lint as a whole: rules, tests and documentation are in step, and its words are kept.

import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { lintMigrations, lintRules } from '../../../../src/postgres/migrations/lint/lint-migrations.ts'
import { readMigrations } from '../../../../src/postgres/migrations/migration-set.ts'
import { lint } from '../../../support/lint.ts'

test('every rule is a file, a test and a section of the documentation of one name', async () => {
  const names = lintRules.map(({ name }) => name)
  const root = new URL('../../../../', import.meta.url)
  const files = await readdir(new URL('src/postgres/migrations/lint/', root))
  const tests = await readdir(new URL('.', import.meta.url))
  const text = await readFile(new URL('docs/reference/migration-lint.md', root), 'utf8')
  const sections = [...text.matchAll(/^### ([a-z-]+)$/gm)].map((match) => match[1])
  assert.deepEqual(
    names.filter((name) => !files.includes(`${name}.ts`) || !tests.includes(`${name}.test.ts`)),
    [],
  )
  assert.deepEqual(sections, names)
  for (const { name, level } of lintRules) assert.ok(text.includes(`### ${name}\n\nLevel: ${level}.`), `${name} is ${level}`)
})

test('an allowance for a rule that is not there is found', async () => {
  const [found] = await lint('-- partywall: allow drop-colum because nobody reads it any more\nselect 1')
  assert.equal(found?.rule, 'unknown-rule')
})

test('files that are applied already are not judged, but they are known', async () => {
  const set = await readMigrations(new URL('../../../../examples/documents/migrations/', import.meta.url))
  assert.deepEqual(lintMigrations(set), [])
  const texts = ['drop table a', 'alter table b drop column c']
  assert.equal((await lint(...texts)).length, 2)
})
