// Frozen all through: what is handed to many must not be changed by one.

/** The same value; neither it nor anything in it can be changed from here on. What is frozen already is taken at its word. */
export function deepFreeze<T extends object>(value: T): T {
  if (Object.isFrozen(value)) return value
  Object.freeze(value)
  for (const part of Object.values(value)) if (typeof part === 'object' && part !== null) deepFreeze(part as object)
  return value
}
