/* OpenCV's videoio behind the table of video_shim.h. Exceptions end here. */
#include "detect/video_shim.h"

#include <memory>
#include <vector>

#include <opencv2/core.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgproc.hpp>
#include <opencv2/videoio.hpp>
#include <opencv2/videoio/registry.hpp>

#include "detect/shim_guard.h"

struct cz_vs_source {
    cv::VideoCapture capture;
    cv::Mat odd; /* a frame of another type than BGR, 8 bits */
};

struct cz_vs_writer {
    cv::VideoWriter writer;
};

namespace
{

void be_quiet()
{
    cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
    cv::setNumThreads(1);
}

void open_camera(cv::VideoCapture &capture, const cz_vs_request *request)
{
    const double values[] = {static_cast<double>(request->width),
                             static_cast<double>(request->height),
                             request->fps};
    const int names[] = {cv::CAP_PROP_FRAME_WIDTH, cv::CAP_PROP_FRAME_HEIGHT,
                         cv::CAP_PROP_FPS};
    /* The other ways to a number look through USB and FireWire for seconds. */
    const int api = cv::videoio_registry::hasBackend(cv::CAP_V4L2)
                        ? cv::CAP_V4L2
                        : cv::CAP_ANY;
    if (request->text)
        capture.open(request->text, api);
    else
        capture.open(request->camera, api);
    for (int i = 0; i < 3 && capture.isOpened(); i++) {
        if (values[i] > 0)
            capture.set(names[i], values[i]);
    }
}

void open_stream(cv::VideoCapture &capture, const cz_vs_request *request)
{
    std::vector<int> limits;
    if (request->timeout_ms > 0)
        limits = {cv::CAP_PROP_OPEN_TIMEOUT_MSEC, request->timeout_ms,
                  cv::CAP_PROP_READ_TIMEOUT_MSEC, request->timeout_ms};
    if (cv::videoio_registry::hasBackend(cv::CAP_FFMPEG))
        capture.open(request->text, cv::CAP_FFMPEG, limits);
    else
        capture.open(request->text, cv::CAP_ANY);
}

void open_any(cv::VideoCapture &capture, const cz_vs_request *request)
{
    if (request->api == CZ_VS_CAMERA)
        open_camera(capture, request);
    else if (request->api == CZ_VS_GSTREAMER)
        capture.open(request->text, cv::CAP_GSTREAMER);
    else
        open_stream(capture, request);
}

bool open_source(cz_vs_source **source, const cz_vs_request *request,
                 cz_vs_facts *facts, char *why) noexcept
{
    return guarded(why, [&] {
        be_quiet();
        auto opened = std::make_unique<cz_vs_source>();
        open_any(opened->capture, request);
        if (!opened->capture.isOpened())
            return false;
        facts->fps = opened->capture.get(cv::CAP_PROP_FPS);
        facts->frames = opened->capture.get(cv::CAP_PROP_FRAME_COUNT);
        *source = opened.release();
        return true;
    });
}

void close_source(cz_vs_source *source) noexcept
{
    delete source;
}

bool grab(cz_vs_source *source) noexcept
{
    return guarded(nullptr, [&] { return source->capture.grab(); });
}

/* Straight into `mat` where the source gives BGR, as nearly all do. */
bool fetch(cz_vs_source *source, cv::Mat &mat)
{
    if (source->odd.empty()) {
        if (!source->capture.retrieve(mat) || mat.empty())
            return false;
        if (mat.type() == CV_8UC3)
            return true;
        source->odd = mat.clone();
    } else if (!source->capture.retrieve(source->odd)) {
        return false;
    }
    if (source->odd.type() == CV_8UC1)
        cv::cvtColor(source->odd, mat, cv::COLOR_GRAY2BGR);
    else if (source->odd.type() == CV_8UC4)
        cv::cvtColor(source->odd, mat, cv::COLOR_BGRA2BGR);
    else if (source->odd.type() == CV_8UC3)
        source->odd.copyTo(mat);
    else
        return false;
    return true;
}

bool retrieve(cz_vs_source *source, cz_cv_picture *picture) noexcept
{
    return guarded(nullptr, [&] {
        if (!picture->owner)
            picture->owner = new cv::Mat;
        cv::Mat &mat = *static_cast<cv::Mat *>(picture->owner);
        if (!fetch(source, mat))
            return false;
        picture->pixels = mat.data;
        picture->width = static_cast<size_t>(mat.cols);
        picture->height = static_cast<size_t>(mat.rows);
        picture->step = mat.step;
        return true;
    });
}

bool scale(const cz_cv_picture *to, const cz_cv_picture *from) noexcept
{
    return guarded(nullptr, [&] {
        cv::Mat target = view(to);
        cv::resize(view(from), target, target.size());
        return target.data == to->pixels;
    });
}

bool open_writer(cz_vs_writer **writer, const cz_vs_sheet *sheet,
                 char *why) noexcept
{
    return guarded(why, [&] {
        be_quiet();
        auto opened = std::make_unique<cz_vs_writer>();
        const char *c = sheet->codec;
        const int codec = cv::VideoWriter::fourcc(c[0], c[1], c[2], c[3]);
        const cv::Size size(sheet->width, sheet->height);
        if (!opened->writer.open(sheet->path, codec, sheet->fps, size)) {
            explain(why, "OpenCV has no encoder for it");
            return false;
        }
        *writer = opened.release();
        return true;
    });
}

bool write(cz_vs_writer *writer, const cz_cv_picture *picture) noexcept
{
    return guarded(nullptr, [&] {
        writer->writer.write(view(picture));
        return true;
    });
}

void close_writer(cz_vs_writer *writer) noexcept
{
    delete writer;
}

} /* namespace */

extern "C" __attribute__((visibility("default")))
const struct cz_vs_table cz_vs_table = {
    CZ_VS_ABI, open_source, close_source, grab,         retrieve,
    scale,     open_writer, write,        close_writer,
};
