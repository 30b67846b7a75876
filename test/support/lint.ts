// Broken → found → mended → nothing found, for one rule of the lint.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { readDirectives } from '../../src/postgres/migrations/directives.ts'
import { lintMigrations, lintRules } from '../../src/postgres/migrations/lint/lint-migrations.ts'
import type { LintFinding } from '../../src/postgres/migrations/lint/rule.ts'
import type { MigrationFile } from '../../src/postgres/migrations/migration-set.ts'
import { sqlStatements } from '../../src/postgres/migrations/sql-statements.ts'

export interface LintCases {
  readonly rule: string
  /** What ran before, in a file of its own. */
  readonly before?: string
  /** Each has exactly one finding of the rule, and stands beside what has none. */
  readonly cases: readonly { readonly name: string; readonly bad: string; readonly line?: number; readonly good: string }[]
}

/** What the lint says of texts, as files of a set. */
export async function lint(...texts: readonly string[]): Promise<readonly LintFinding[]> {
  const files = await Promise.all(texts.map((text, index) => fileOf(`000${index + 1}`, text)))
  return lintMigrations({ files, newest: files.at(-1)?.version })
}

async function fileOf(version: string, text: string): Promise<MigrationFile> {
  const file = `${version}-test.sql`
  const sha256 = createHash('sha256').update(text).digest('hex')
  const statements = await sqlStatements(text, file)
  return { version, file, sha256, url: pathToFileURL(`/${file}`), text, directives: readDirectives(file, text), statements }
}

export function lintSuite({ rule, before = 'select 1', cases }: LintCases): void {
  const level = lintRules.find(({ name }) => name === rule)?.level
  describe(rule, () => {
    for (const { name, bad, good, line = 1 } of cases) {
      test(`${name} is found, and what mends it is not`, async () => {
        const found = (await lint(before, bad)).filter((finding) => finding.rule === rule && finding.file.startsWith('0002'))
        assert.deepEqual(
          found.map((finding) => finding.line),
          [line],
        )
        assert.ok(found[0]!.problem.length > 20 && found[0]!.remedy.length > 4)
        const mended = await lint(before, ...good.split('-- next file\n'))
        assert.deepEqual(
          mended.filter((finding) => finding.rule === rule),
          [],
        )
      })
    }
    test(level === 'refused' ? 'no directive allows it' : 'the directive allows it, with a reason', async () => {
      const [first] = cases
      const allowed = await lint(before, `-- partywall: allow ${rule} because a test says so here\n${first!.bad}`)
      const found = allowed.filter((finding) => finding.rule === rule && finding.file.startsWith('0002'))
      assert.equal(found.length, level === 'refused' ? 1 : 0)
    })
  })
}
