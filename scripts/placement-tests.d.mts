export const otherPlacements: readonly string[]
export const quickPlacements: readonly string[]
export const ofOnePlacement: ReadonlyMap<string, string>
export function placementTests(cwd?: string): readonly string[]
