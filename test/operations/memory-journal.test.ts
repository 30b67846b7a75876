import { MemoryOperationJournal } from '../../src/operations/memory-journal.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { journalConformance } from './journal-conformance.ts'

journalConformance('operation journal in memory', async () => {
  const clock = new ManualClock()
  return { journal: new MemoryOperationJournal({ clock }), letTimePass: async () => clock.advance(60_000) }
})
