import type { Document } from '../model/values.ts'
export interface Shape { readonly rows: number }
export class ShapeBuilder {
  add(_document: Document): void {}
  merge(_shape: Shape): void {}
  build(): Shape { throw new Error('todo') }
}
