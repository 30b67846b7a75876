// partywall migrate lint: for a pull request. It needs the files alone, and no database.

import { lintMigrations } from '../../../postgres/migrations/lint/lint-migrations.ts'
import { readMigrations } from '../../../postgres/migrations/migration-set.ts'
import { lintLines } from '../../lint-lines.ts'
import { findMigrations } from '../../migrations.ts'
import { verb } from '../../verb.ts'

export const lint = verb({
  summary: 'Find what in the migrations would block, break or leak',
  details: 'It needs no database. It ends with 1 when it finds an error; docs/reference/migration-lint.md has the rules.',
  flags: { after: { kind: 'text', value: 'version', about: 'only files after this version' } },
  examples: ['partywall migrate lint', 'partywall migrate lint --after 0011'],
  async run({ flags, output, terminal }) {
    const { directory } = await findMigrations(terminal.cwd)
    const set = await readMigrations(directory)
    const findings = lintMigrations(set, { after: flags.after })
    if (output.isJson) for (const finding of findings) output.record(finding)
    else for (const line of lintLines(findings)) terminal.print(line)
    const errors = findings.filter(({ level }) => level !== 'warning').length
    if (!output.isJson) terminal.print(`${set.files.length} files: ${errors} errors, ${findings.length - errors} warnings.`)
    return errors > 0 ? 'failed' : 'done'
  },
})
