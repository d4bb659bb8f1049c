/** @file What every format of data sets is to the registry. */

import type { CaptionedImage } from "../captioned-image.js";
import type { ReportFault } from "../finding.js";
import type { FolderFiles } from "../folder-files.js";

export interface DataFormat {
  /** Names the shape to people. */
  readonly title: string;
  /** By what the files were recognised (completes "because it has ..."), or undefined where they look otherwise. */
  readonly recognise: (files: FolderFiles) => string | undefined;
  /**
   * The images with their captions, in an order that does not depend on the machine. What cannot be used is reported and
   * left out.
   *
   * @throws InputError where nothing of it can be used, or it is not clear what is meant
   */
  readonly read: (files: FolderFiles, report: ReportFault) => Promise<CaptionedImage[]>;
}
