/* OpenCV behind the table of opencv_shim.h. Exceptions end here. JPEG files are
 * jpeg.c's. */
#include "detect/opencv_shim.h"

#include <exception>
#include <memory>
#include <vector>

#include <opencv2/core.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "detect/jpeg_internal.h"
#include "detect/shim_guard.h"

namespace
{

constexpr int font = cv::FONT_HERSHEY_SIMPLEX;

cv::Scalar colour(const cz_cv_stroke *stroke)
{
    return cv::Scalar(stroke->bgr[0], stroke->bgr[1], stroke->bgr[2]);
}

const char *version() noexcept
{
    return CV_VERSION;
}

/* From what lies as `orientation` says to what is upright. */
void turn(cv::Mat &mat, unsigned orientation)
{
    static const int flips[] = {1, -1, 0}; /* left-right, both, up-down */
    const unsigned flip = (orientation - 1) % 4;
    if (orientation > 4)
        cv::transpose(mat, mat);
    if (flip)
        cv::flip(mat, mat, flips[flip - 1]);
}

bool decode_jpeg(cv::Mat &mat, const void *bytes, size_t size, char *why)
{
    cz_jpeg_header header;
    if (!cz_jpeg_header_read(&header, bytes, size, why))
        return false;
    mat.create(static_cast<int>(header.height), static_cast<int>(header.width),
               CV_8UC3);
    if (!cz_jpeg_read(mat.data, mat.step, bytes, size, why))
        return false;
    turn(mat, header.orientation);
    return true;
}

bool decode_other(cv::Mat &mat, const void *bytes, size_t size, char *why)
{
    cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
    const cv::Mat file(1, static_cast<int>(size), CV_8U,
                       const_cast<void *>(bytes));
    mat = cv::imdecode(file, cv::IMREAD_COLOR);
    if (!mat.empty() && mat.type() == CV_8UC3)
        return true;
    explain(why, "damaged, or of a format that OpenCV does not know");
    return false;
}

bool decode(cz_cv_picture *picture, const void *bytes, size_t size,
            char *why) noexcept
{
    return guarded(why, [&] {
        auto mat = std::make_unique<cv::Mat>();
        if (!(cz_jpeg_is(bytes, size) ? decode_jpeg : decode_other)(*mat, bytes,
                                                                    size, why))
            return false;
        picture->pixels = mat->data;
        picture->width = static_cast<size_t>(mat->cols);
        picture->height = static_cast<size_t>(mat->rows);
        picture->step = mat->step;
        picture->owner = mat.release();
        return true;
    });
}

bool measure(size_t *width, size_t *height, const void *bytes, size_t size,
             char *why) noexcept
{
    return guarded(why, [&] {
        if (cz_jpeg_is(bytes, size)) {
            cz_jpeg_header header;
            if (!cz_jpeg_header_read(&header, bytes, size, why))
                return false;
            const bool is_sideways = header.orientation > 4;
            *width = is_sideways ? header.height : header.width;
            *height = is_sideways ? header.width : header.height;
            return true;
        }
        cv::Mat mat;
        if (!decode_other(mat, bytes, size, why))
            return false;
        *width = static_cast<size_t>(mat.cols);
        *height = static_cast<size_t>(mat.rows);
        return true;
    });
}

bool encode(cz_cv_bytes *bytes, const cz_cv_picture *picture,
            const char *extension, int quality, char *why) noexcept
{
    return guarded(why, [&] {
        if (!bytes->owner)
            bytes->owner = new std::vector<uchar>;
        auto *file = static_cast<std::vector<uchar> *>(bytes->owner);
        const std::vector<int> options = {cv::IMWRITE_JPEG_QUALITY, quality,
                                          cv::IMWRITE_WEBP_QUALITY, quality};
        if (!cv::imencode(extension, view(picture), *file, options)) {
            explain(why, "no encoder of OpenCV for this name");
            return false;
        }
        bytes->data = file->data();
        bytes->size = file->size();
        return true;
    });
}

void release_picture(cz_cv_picture *picture) noexcept
{
    delete static_cast<cv::Mat *>(picture->owner);
}

void release_bytes(cz_cv_bytes *bytes) noexcept
{
    delete static_cast<std::vector<uchar> *>(bytes->owner);
}

bool rectangle(const cz_cv_picture *picture,
               const cz_cv_stroke *stroke) noexcept
{
    return guarded(nullptr, [&] {
        cv::Mat mat = view(picture);
        const cv::Rect rect(stroke->at.x, stroke->at.y, stroke->width,
                            stroke->height);
        cv::rectangle(mat, rect, colour(stroke), stroke->thickness);
        return true;
    });
}

bool text(const cz_cv_picture *picture, const char *string,
          const cz_cv_stroke *stroke) noexcept
{
    return guarded(nullptr, [&] {
        cv::Mat mat = view(picture);
        cv::putText(mat, string, cv::Point(stroke->at.x, stroke->at.y), font,
                    stroke->font_scale, colour(stroke), stroke->thickness,
                    cv::LINE_AA);
        return true;
    });
}

bool text_size(cz_cv_point *size, int *below, const char *string,
               double font_scale, int thickness) noexcept
{
    return guarded(nullptr, [&] {
        const cv::Size found =
            cv::getTextSize(string, font, font_scale, thickness, below);
        size->x = found.width;
        size->y = found.height;
        return true;
    });
}

} /* namespace */

extern "C" __attribute__((visibility("default")))
const struct cz_cv_table cz_cv_table = {
    CZ_CV_ABI,       version,       decode,    measure, encode,
    release_picture, release_bytes, rectangle, text,    text_size,
};
