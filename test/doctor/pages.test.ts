// Every check of the doctor has one file, one test, one page and one line in the index, all by the same name; and the page says of it
// what it says of itself.

import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import type { CheckFacts } from '../../src/core/doctor-event.ts'
import { ownRules } from '../../src/core/doctor-own-rules.ts'
import { allChecks } from '../../src/postgres/doctor/all-checks.ts'

const root = new URL('../../', import.meta.url)
const stems = allChecks.map(({ stem }) => stem)
const pages = new URL('docs/reference/doctor/', root)
const scopes: Readonly<Record<CheckFacts['scope'], string>> = {
  server: 'once a server',
  database: 'in each database',
  catalog: 'in the catalog',
}

describe('every check of the doctor', () => {
  test('has one file, one test and one page, and none of them has no check', async () => {
    const checks = await namesIn('src/postgres/doctor/checks/', '.ts')
    const tests = await namesIn('test/postgres/doctor/checks/', '.test.ts')
    const written = (await namesIn('docs/reference/doctor/', '.md')).filter((name) => name !== 'README' && name !== 'public-schemas')
    assert.deepEqual(stems, [...stems].sort(), 'all-checks.ts lists them by name')
    assert.deepEqual(checks, stems)
    assert.deepEqual(tests, stems)
    assert.deepEqual(written, [...stems, ...ownRules.map(({ stem }) => stem)].sort())
  })

  test('is exported from its file by its own name', async () => {
    for (const check of allChecks) {
      const name = check.stem.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())
      const file: Readonly<Record<string, unknown>> = await import(new URL(`src/postgres/doctor/checks/${check.stem}.ts`, root).href)
      assert.equal(file[name], check, `${check.stem}.ts exports ${name}`)
    }
  })

  test('is told by its page as it is: title, level, scope, gain and remedy', async () => {
    for (const { stem, title, level, scope } of [...allChecks, ...ownRules]) {
      const text = await readFile(new URL(`${stem}.md`, pages), 'utf8')
      const head = `# ${stem}\n\n**${title}.** ${level} · ${scopes[scope]}\n`
      assert.ok(plain(text).startsWith(plain(head)), `${stem}.md should begin with:\n${head}`)
      assert.match(text, /\nWhat an attacker gains: /, stem)
      assert.match(text, /\nMend it: /, stem)
    }
  })

  test('says what it finds in words that end without a stop, and what is gained in sentences', () => {
    for (const { stem, title, gain } of [...allChecks, ...ownRules]) {
      assert.match(stem, /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/)
      assert.match(title, /^[A-Z].*[^.]$/, stem)
      assert.match(gain, /^[A-Z].*\.$/s, stem)
    }
  })

  test('has its line in the index', async () => {
    const index = await readFile(new URL('README.md', pages), 'utf8')
    const rows = allChecks.map(({ stem, level, scope, title }) => `| [${stem}](${stem}.md) | ${level} | ${scopes[scope]} | ${title} |`)
    const own = ownRules.map(({ stem, level, title }) => `| [${stem}](${stem}.md) | ${level} | ${title} |`)
    const lines = index.match(/^\| \[.*$/gm)
    assert.equal(lines?.join('\n'), [...rows, ...own].join('\n'))
  })

  test('looks names up in the catalogs, and not by casts that fail where the doctor may not enter a schema', async () => {
    for (const stem of stems) {
      const text = await readFile(new URL(`src/postgres/doctor/checks/${stem}.ts`, root), 'utf8')
      assert.doesNotMatch(text, /\bto_reg(class|type|proc|procedure)\(\s*[a-z]+\.(table_name|name)\b|table_name::reg/, stem)
    }
  })
})

async function namesIn(directory: string, ending: string): Promise<readonly string[]> {
  const names = await readdir(new URL(directory, root))
  return names
    .filter((name) => name.endsWith(ending))
    .map((name) => name.slice(0, -ending.length))
    .sort()
}

/** Whichever apostrophe the author has. */
function plain(text: string): string {
  return text.replaceAll('’', "'")
}
