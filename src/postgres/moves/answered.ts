// A server that does not answer, behind a network that was cut: the connection knows nothing of it for minutes, and a fence lasts seconds.

import { DatabaseUnavailableError } from '../../errors.ts'

/** @throws {DatabaseUnavailableError} when there is no answer in time. What was asked may still be done: it is repeatable. */
export async function answered<T>(within: { readonly ms: number; readonly what: string }, asked: Promise<T>): Promise<T> {
  const { ms, what } = within
  const silence = Promise.withResolvers<never>()
  const timer = setTimeout(() => silence.reject(new DatabaseUnavailableError(`${what} did not answer within ${ms} ms.`)), ms)
  // Whichever comes second is nobody's any more.
  asked.catch(() => {})
  try {
    return await Promise.race([asked, silence.promise])
  } finally {
    clearTimeout(timer)
  }
}
