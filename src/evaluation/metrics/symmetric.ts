/** @file Symmetric matrices in double precision: eigenvalues, and a factor that holds for those without full rank. */

/** A square matrix, row-major. */
export interface SquareMatrix {
  readonly size: number;
  readonly data: Float64Array;
}

/**
 * All eigenvalues of a symmetric matrix, unsorted: Householder's reduction to three diagonals, of which only the upper triangle is
 * touched, then implicit QL steps (Golub and Van Loan, Matrix Computations, 8.3).
 */
export function symmetricEigenvalues({ size, data }: SquareMatrix): Float64Array {
  const { diagonal, beside } = tridiagonal(size, Float64Array.from(data));
  implicitQl(diagonal, beside);
  return diagonal;
}

/** H...A...H with Householder reflections H: the diagonal, and what stands beside it (element i is at row i, column i + 1). */
function tridiagonal(n: number, a: Float64Array): { diagonal: Float64Array; beside: Float64Array } {
  const diagonal = new Float64Array(n);
  const beside = new Float64Array(n);
  const w = new Float64Array(n);
  for (let k = 0; k < n; k++) {
    diagonal[k] = a[k * n + k];
    if (k === n - 1) break;
    const v = a.subarray(k * n, (k + 1) * n);
    let squares = 0;
    for (let j = k + 1; j < n; j++) squares += v[j] * v[j];
    const length = v[k + 1] > 0 ? -Math.sqrt(squares) : Math.sqrt(squares);
    beside[k] = length;
    if (k === n - 2) {
      beside[k] = v[n - 1];
      continue;
    }
    // v - length e is the reflection's direction; |v - length e|^2 = 2 (squares - length v_0).
    const half = squares - length * v[k + 1];
    if (!(half > 0)) continue;
    v[k + 1] -= length;
    const scale = 1 / half;
    w.fill(0, k + 1);
    for (let i = k + 1; i < n; i++) {
      const row = a.subarray(i * n, (i + 1) * n);
      const vi = v[i];
      let sum = row[i] * vi;
      for (let j = i + 1; j < n; j++) {
        const value = row[j];
        sum += value * v[j];
        w[j] += value * vi;
      }
      w[i] += sum;
    }
    let along = 0;
    for (let i = k + 1; i < n; i++) {
      w[i] *= scale;
      along += w[i] * v[i];
    }
    const share = 0.5 * scale * along;
    for (let i = k + 1; i < n; i++) w[i] -= share * v[i];
    for (let i = k + 1; i < n; i++) {
      const row = a.subarray(i * n, (i + 1) * n);
      const [vi, wi] = [v[i], w[i]];
      for (let j = i; j < n; j++) row[j] -= vi * w[j] + wi * v[j];
    }
  }
  return { diagonal, beside };
}

/** Turns `diagonal` into the eigenvalues of the tridiagonal matrix; `beside` is used up. */
function implicitQl(diagonal: Float64Array, beside: Float64Array): void {
  const n = diagonal.length;
  for (let low = 0; low < n; low++) {
    // Three steps an eigenvalue are usual; 60 are a matrix of other than finite numbers.
    for (let step = 0; step < 60; step++) {
      let end = low;
      while (end < n - 1) {
        const neighbours = Math.abs(diagonal[end]) + Math.abs(diagonal[end + 1]);
        if (Math.abs(beside[end]) <= Number.EPSILON * neighbours) break;
        end++;
      }
      if (end === low) break;
      let g = (diagonal[low + 1] - diagonal[low]) / (2 * beside[low]);
      const root = Math.hypot(g, 1);
      g = diagonal[end] - diagonal[low] + beside[low] / (g + (g >= 0 ? root : -root));
      let [sine, cosine, p] = [1, 1, 0];
      let i = end - 1;
      for (; i >= low; i--) {
        const f = sine * beside[i];
        const b = cosine * beside[i];
        const r = Math.hypot(f, g);
        beside[i + 1] = r;
        if (r === 0) {
          diagonal[i + 1] -= p;
          beside[end] = 0;
          break;
        }
        [sine, cosine] = [f / r, g / r];
        g = diagonal[i + 1] - p;
        const t = (diagonal[i] - g) * sine + 2 * cosine * b;
        p = sine * t;
        diagonal[i + 1] = g + p;
        g = cosine * t - b;
      }
      if (i >= low) continue;
      diagonal[low] -= p;
      beside[low] = g;
      beside[end] = 0;
    }
  }
}

/**
 * Rows l_1 ... l_r with A = sum of l_k^T l_k, r being the rank of A as far as doubles show it: Cholesky's factor with pivots, for a matrix
 * that is symmetric and has no negative eigenvalue.
 */
export function pivotedFactor({ size: n, data }: SquareMatrix): Float64Array[] {
  const rest = Float64Array.from({ length: n }, (_, i) => data[i * n + i]);
  const smallest = rest.reduce((a, b) => Math.max(a, b), 0) * 1e-15;
  const factor: Float64Array[] = [];
  while (factor.length < n) {
    let pivot = 0;
    for (let i = 1; i < n; i++) if (rest[i] > rest[pivot]) pivot = i;
    if (!(rest[pivot] > smallest)) break;
    const row = data.slice(pivot * n, (pivot + 1) * n);
    for (const earlier of factor) {
      const share = earlier[pivot];
      if (share !== 0) for (let i = 0; i < n; i++) row[i] -= share * earlier[i];
    }
    const scale = 1 / Math.sqrt(rest[pivot]);
    for (let i = 0; i < n; i++) {
      row[i] *= scale;
      rest[i] -= row[i] * row[i];
    }
    // Rounding must not let it be taken again.
    rest[pivot] = 0;
    factor.push(row);
  }
  return factor;
}

/** L A L^T for the rows of L and a symmetric A. */
export function congruent(rows: readonly Float64Array[], { size: n, data }: SquareMatrix): SquareMatrix {
  const r = rows.length;
  const product = new Float64Array(r * r);
  const image = new Float64Array(n);
  for (let i = 0; i < r; i++) {
    image.fill(0);
    const row = rows[i];
    // Four rows of A at a time, so that `image` is read and written less often.
    let k = 0;
    for (; k + 3 < n; k += 4) {
      const [a, b, c, d] = [row[k], row[k + 1], row[k + 2], row[k + 3]];
      const at = k * n;
      for (let j = 0; j < n; j++) {
        image[j] += a * data[at + j] + b * data[at + n + j] + c * data[at + 2 * n + j] + d * data[at + 3 * n + j];
      }
    }
    for (; k < n; k++) for (let j = 0; j < n; j++) image[j] += row[k] * data[k * n + j];
    for (let other = i; other < r; other++) {
      const against = rows[other];
      let sum = 0;
      for (let j = 0; j < n; j++) sum += image[j] * against[j];
      product[i * r + other] = sum;
      product[other * r + i] = sum;
    }
  }
  return { size: r, data: product };
}
